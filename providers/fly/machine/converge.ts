/** Updates an existing machine to match its inputs, under a lease; rolls back a config with which it does not run. */
import { messageOf } from "../../provider.ts";
import { FlyError, isAmbiguous } from "../api/errors.ts";
import { MachineApi } from "../api/machineApi.ts";
import type { MachineConfig, WireMachine } from "../api/types.ts";
import { deadlineIn, poll } from "../api/wait.ts";
import { takeSnapshot } from "../volume/snapshot.ts";
import type { MachineChange } from "./change.ts";
import { changesNeeded, isAsWanted, LAUNCH_DEADLINE_MS, minSecretsVersion } from "./config.ts";
import { MachineNotReady } from "./failure.ts";
import { withLease } from "./lease.ts";
import { startMachine } from "./power.ts";
import { waitForHealthy } from "./wait.ts";

/** The update failed; the message tells whether the previous configuration could be restored. */
export class UpdateFailed extends Error {
    readonly machine: WireMachine | undefined;

    constructor(message: string, machine: WireMachine | undefined, cause: unknown) {
        super(message, { cause });
        this.name = "UpdateFailed";
        this.machine = machine;
    }
}

/**
 * Changes only what differs, and waits until the machine is healthy. Can be run again at any point.
 * @throws UpdateFailed where the new instance does not become healthy in time
 */
export async function convergeMachine(
    change: MachineChange,
    observed: WireMachine,
): Promise<WireMachine> {
    const machine = new MachineApi(change, observed.id);
    if (isAsWanted(change.config, observed)) {
        return await waitForHealthy(machine, { ...change, instanceId: observed.instance_id });
    }
    return await withLease(machine, change, async (leased) => {
        // Someone may have changed the machine before we got the lease.
        const current = await leased.find();
        if (!current) {
            throw new Error(
                `Machine ${machine.id} was destroyed meanwhile: run \`pulumi up --refresh\`.`,
            );
        }
        return await apply(leased, change, current);
    });
}

async function apply(
    machine: MachineApi,
    change: MachineChange,
    current: WireMachine,
): Promise<WireMachine> {
    const found: MachineConfig = current.config ?? { image: "" };
    const needed = changesNeeded(change.config, found);
    if (current.cordoned) {
        await machine.post(["uncordon"], { safe: true });
    }
    if (needed.config.includes("image")) {
        await snapshotVolumes(machine, found);
        // The snapshot's time does not count.
        const deadline = deadlineIn(change.deadline.seconds);
        return await replaceConfig(machine, { ...change, deadline }, current);
    }
    if (needed.config.length > 0 || needed.secrets) {
        return await replaceConfig(machine, change, current);
    }
    if (needed.metadata.length > 0) {
        await syncMetadata(machine, change.config, found);
    }
    const fresh = current.state !== "started" && current.state !== "starting";
    if (fresh) {
        await startMachine(machine, current, change.deadline);
    }
    return await waitForHealthy(machine, { ...change, instanceId: current.instance_id, fresh });
}

/** Takes a snapshot before the image changes: a newer broker may convert its data so that no older one can read it. */
async function snapshotVolumes(machine: MachineApi, { mounts }: MachineConfig): Promise<void> {
    for (const { volume } of mounts ?? []) {
        const snapshot = await takeSnapshot(machine, volume);
        console.log(`volume ${volume}: saved as snapshot ${snapshot} before the image changes`);
    }
}

/** Updates metadata, without a restart and without a new version. */
async function syncMetadata(
    machine: MachineApi,
    wanted: MachineConfig,
    found: MachineConfig,
): Promise<void> {
    const [want, have] = [wanted.metadata ?? {}, found.metadata ?? {}];
    for (const [key, value] of Object.entries(want)) {
        if (have[key] !== value) {
            await machine.post(["metadata", key], { body: { value }, safe: true });
        }
    }
    for (const key of Object.keys(have)) {
        if (!(key in want) && !key.startsWith("fly_")) {
            await machine.delete(["metadata", key]);
        }
    }
}

/**
 * Replaces the config and waits until the new instance is healthy. Where it is not, rolls back and waits
 * until the old configuration is healthy again.
 * @throws UpdateFailed where the new instance does not become healthy in time
 */
async function replaceConfig(
    machine: MachineApi,
    change: MachineChange,
    current: WireMachine,
): Promise<WireMachine> {
    try {
        return await runWith(machine, change, current);
    } catch (error) {
        throw error instanceof MachineNotReady
            ? await rollBack(machine, change, current, error)
            : error;
    }
}

const RESTORE_WITHIN_S = 90;

/** Rolls back, so that a bad configuration does not keep the broker down. */
async function rollBack(
    machine: MachineApi,
    change: MachineChange,
    previous: WireMachine,
    cause: MachineNotReady,
): Promise<UpdateFailed> {
    const { config, state } = previous;
    const failed = (outcome: string, now = cause.machine) =>
        new UpdateFailed(`${cause.message}${outcome}`, now, cause);
    if (!config || state !== "started") {
        return failed("");
    }
    const back = { ...change, config, deadline: deadlineIn(RESTORE_WITHIN_S) };
    try {
        const current = (await machine.find()) ?? previous;
        const restored = await runWith(machine, back, current);
        return failed("\n  Its previous configuration is restored and healthy.", restored);
    } catch (error) {
        return failed(`\n  Its previous configuration could not be restored: ${messageOf(error)}`);
    }
}

/** Replaces the whole config, and waits until the new instance is healthy. */
async function runWith(
    machine: MachineApi,
    change: MachineChange,
    current: WireMachine,
): Promise<WireMachine> {
    const { instance_id: instanceId, updated_at: since } = await sendConfig(
        machine,
        change,
        current,
    );
    return await waitForHealthy(machine, { ...change, instanceId, since, fresh: true });
}

/** Sends the config. After a lost answer, checks first whether the machine already has it. */
async function sendConfig(
    machine: MachineApi,
    change: MachineChange,
    current: WireMachine,
): Promise<WireMachine> {
    const { config, name, region, deadline } = change;
    let base = current;
    let failure: unknown;
    const updated = await poll(deadline, async () => {
        try {
            return await machine.post<WireMachine>([], {
                deadlineMs: LAUNCH_DEADLINE_MS,
                body: {
                    config,
                    name,
                    region,
                    ...(base.instance_id && {
                        current_version: String(base.version ?? base.instance_id),
                    }),
                    ...minSecretsVersion(change),
                },
            });
        } catch (error) {
            if (!isAmbiguous(error) && !isTransient(error)) {
                throw error;
            }
            failure = error;
            const found = await machine.find();
            const applied =
                found?.config &&
                found.instance_id !== current.instance_id &&
                isAsWanted(config, { ...found, state: "started" });
            base = found ?? base;
            return applied ? found : undefined;
        }
    });
    if (!updated) {
        throw failure;
    }
    return updated;
}

/** Tells whether a refusal passes by itself: Fly was busy with the machine or its host. */
function isTransient(error: unknown): boolean {
    return (
        error instanceof FlyError &&
        ((error.status === 409 && /concurrent update|current.?version/i.test(error.text)) ||
            (error.status === 412 && /getting replaced|still active/i.test(error.text)))
    );
}
