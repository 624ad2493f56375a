/** Bringing an existing machine to the wanted state, under a lease, with a way back. */
import { messageOf } from "../provider.ts";
import type { FlyClient } from "./client.ts";
import { FlyError, isAmbiguous } from "./errors.ts";
import { MachineNotReady } from "./health.ts";
import { withLease } from "./lease.ts";
import { waitUntilHealthyOrTell } from "./logs.ts";
import {
    changesNeeded,
    effectiveConfig,
    leastSecrets,
    type MachineWish,
} from "./machine-config.ts";
import { getMachine, startMachine } from "./machine-power.ts";
import { takeSnapshot } from "./snapshot.ts";
import type { MachineConfig, WireMachine } from "./types.ts";
import { deadlineIn, poll, type Deadline } from "./wait.ts";

export interface MachineTarget extends MachineWish {
    readonly app: string;
    readonly name: string;
    readonly region: string;
    readonly logsEndpoint?: string;
    readonly importId?: string;
}

/** Fly may pull the image before it answers. */
export const LAUNCH_DEADLINE_MS = 90_000;

const RESTORE_WITHIN_S = 90;

/** The update failed and the machine is back at its previous configuration, or is not. */
export class UpdateFailed extends Error {
    readonly machine: WireMachine | undefined;

    constructor(message: string, machine: WireMachine | undefined, cause: unknown) {
        super(message, { cause });
        this.name = "UpdateFailed";
        this.machine = machine;
    }
}

/**
 * Observes, changes only what differs, and waits. Can be run again at any point.
 * @throws UpdateFailed when the new instance does not become healthy in time
 */
export async function convergeMachine(
    client: FlyClient,
    target: MachineTarget,
    observed: WireMachine,
    deadline: Deadline,
): Promise<WireMachine> {
    const wanted = effectiveConfig(target);
    const ref = { app: target.app, id: observed.id };
    if (isAsWanted(wanted, observed)) {
        const { instance_id: instanceId } = observed;
        const running = { ...ref, instanceId };
        return await waitUntilHealthyOrTell(client, target, running, wanted, deadline);
    }
    return await withLease(client, { ...ref, owner: target.owner }, deadline, async (nonce) => {
        // Someone may have changed it before we had the lease.
        const current = await getMachine(client, ref.app, ref.id);
        if (!current) {
            throw new Error(
                `Machine ${ref.id} was destroyed meanwhile: run \`pulumi up --refresh\`.`,
            );
        }
        return await apply(client, target, current, nonce, deadline);
    });
}

function isAsWanted(wanted: MachineConfig, machine: WireMachine): boolean {
    const needed = machine.config ? changesNeeded(wanted, machine.config) : undefined;
    return (
        needed !== undefined &&
        needed.config.length + needed.metadata.length === 0 &&
        !needed.secrets &&
        !machine.cordoned &&
        (machine.state === "started" || machine.state === "starting")
    );
}

async function apply(
    client: FlyClient,
    target: MachineTarget,
    current: WireMachine,
    nonce: string,
    deadline: Deadline,
): Promise<WireMachine> {
    const wanted = effectiveConfig(target);
    const path = ["apps", target.app, "machines", current.id];
    const found: MachineConfig = current.config ?? { image: "" };
    const needed = changesNeeded(wanted, found);
    if (current.cordoned) {
        await client.post([...path, "uncordon"], { nonce, safe: true });
    }
    if (needed.config.length > 0 || needed.secrets) {
        if (!needed.config.includes("image")) {
            return await replaceConfig(client, target, current, nonce, deadline);
        }
        await snapshotVolumes(client, target.app, found);
        // The update's time is its own.
        const anew = deadlineIn(deadline.seconds);
        return await replaceConfig(client, target, current, nonce, anew);
    }
    if (needed.metadata.length > 0) {
        await syncMetadata(client, path, wanted, found, nonce);
    }
    const fresh = current.state !== "started" && current.state !== "starting";
    const ref = { app: target.app, id: current.id, instanceId: current.instance_id, fresh };
    if (fresh) {
        await startMachine(client, target.app, current.id, nonce, deadline);
    }
    return await waitUntilHealthyOrTell(client, target, ref, wanted, deadline);
}

/** Another image may have another version of the broker, which may make of its data what no older one reads. */
async function snapshotVolumes(
    client: FlyClient,
    app: string,
    { mounts }: MachineConfig,
): Promise<void> {
    for (const { volume } of mounts ?? []) {
        const snapshot = await takeSnapshot(client, app, volume);
        console.log(`volume ${volume}: put aside as ${snapshot}, before another image has it`);
    }
}

async function replaceConfig(
    client: FlyClient,
    target: MachineTarget,
    current: WireMachine,
    nonce: string,
    deadline: Deadline,
): Promise<WireMachine> {
    const wanted = effectiveConfig(target);
    try {
        return await runWith(client, target, current, wanted, nonce, deadline);
    } catch (error) {
        if (!(error instanceof MachineNotReady)) {
            throw error;
        }
        throw await restore(client, target, current, nonce, error);
    }
}

/** Replaces the whole config, and waits until the new instance is healthy. */
async function runWith(
    client: FlyClient,
    target: MachineTarget,
    current: WireMachine,
    config: MachineConfig,
    nonce: string,
    deadline: Deadline,
): Promise<WireMachine> {
    const sent = await sendConfig(client, target, current, config, nonce, deadline);
    const ref = { app: target.app, id: current.id, instanceId: sent.instance_id, fresh: true };
    return await waitUntilHealthyOrTell(client, target, ref, config, deadline, sent.updated_at);
}

/** An answer that was lost is looked for before asking again. */
async function sendConfig(
    client: FlyClient,
    target: MachineTarget,
    current: WireMachine,
    config: MachineConfig,
    nonce: string,
    deadline: Deadline,
): Promise<WireMachine> {
    const path = ["apps", target.app, "machines", current.id];
    let base = current;
    let failure: unknown;
    const updated = await poll(deadline, async () => {
        try {
            return await client.post<WireMachine>(path, {
                nonce,
                deadlineMs: LAUNCH_DEADLINE_MS,
                body: {
                    config,
                    name: target.name,
                    region: target.region,
                    ...(base.instance_id && { current_version: currentVersion(base) }),
                    ...leastSecrets(target),
                },
            });
        } catch (error) {
            if (!isAmbiguous(error) && !isPassing(error)) {
                throw error;
            }
            failure = error;
            const found = await getMachine(client, target.app, current.id);
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

function currentVersion(machine: WireMachine): string {
    return String(machine.version ?? machine.instance_id);
}

/** Refusals that a later attempt may not meet: Fly was busy with the machine or its host. */
function isPassing(error: unknown): boolean {
    return (
        error instanceof FlyError &&
        ((error.status === 409 && /concurrent update|current.?version/i.test(error.text)) ||
            (error.status === 412 && /getting replaced|still active/i.test(error.text)))
    );
}

/** Back to what ran before, so that a bad configuration does not take the broker down for good. */
async function restore(
    client: FlyClient,
    target: MachineTarget,
    previous: WireMachine,
    nonce: string,
    cause: MachineNotReady,
): Promise<UpdateFailed> {
    if (!previous.config || previous.state !== "started") {
        return new UpdateFailed(cause.message, cause.machine, cause);
    }
    const deadline = deadlineIn(RESTORE_WITHIN_S);
    try {
        const failed = (await getMachine(client, target.app, previous.id)) ?? previous;
        const { config } = previous;
        const restored = await runWith(client, target, failed, config, nonce, deadline);
        return new UpdateFailed(
            `${cause.message}\n  Its previous configuration is restored and healthy.`,
            restored,
            cause,
        );
    } catch (error) {
        return new UpdateFailed(
            `${cause.message}\n  Its previous configuration could not be restored: ${messageOf(error)}`,
            cause.machine,
            cause,
        );
    }
}

/** Metadata change without a restart and without a new version. */
async function syncMetadata(
    client: FlyClient,
    path: readonly string[],
    wanted: MachineConfig,
    found: MachineConfig,
    nonce: string,
): Promise<void> {
    const [want, have] = [wanted.metadata ?? {}, found.metadata ?? {}];
    for (const [key, value] of Object.entries(want)) {
        if (have[key] !== value) {
            await client.post([...path, "metadata", key], { body: { value }, nonce, safe: true });
        }
    }
    for (const key of Object.keys(have)) {
        if (!(key in want) && !key.startsWith("fly_")) {
            await client.delete([...path, "metadata", key], { nonce });
        }
    }
}
