/** Replaces a machine's config, which starts a new instance, and rolls back where that fails. */
import { messageOf } from "../../provider.ts";
import type { FlyClient } from "../api/client.ts";
import { FlyError, isAmbiguous } from "../api/errors.ts";
import { waitForHealthyWithLog } from "../api/logs.ts";
import {
    effectiveConfig,
    isAsWanted,
    LAUNCH_DEADLINE_MS,
    minSecretsVersion,
    type MachineTarget,
} from "./config.ts";
import { MachineNotReady } from "./failure.ts";
import { getMachine } from "./power.ts";
import type { MachineConfig, WireMachine } from "../api/types.ts";
import { deadlineIn, poll, type Deadline } from "../api/wait.ts";

const RESTORE_WITHIN_S = 90;

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
 * Replaces the config and waits until the new instance is healthy. Where it is not, rolls back and waits
 * until the old configuration is healthy again.
 * @throws UpdateFailed where the new instance does not become healthy in time
 */
export async function replaceConfig(
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

/** Rolls back, so that a bad configuration does not keep the broker down. */
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
    return await waitForHealthyWithLog(client, target, ref, config, deadline, sent.updated_at);
}

/** Sends the config. After a lost answer, checks first whether the machine already has it. */
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
                    ...minSecretsVersion(target),
                },
            });
        } catch (error) {
            if (!isAmbiguous(error) && !isTransient(error)) {
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

/** Tells whether a refusal passes by itself: Fly was busy with the machine or its host. */
function isTransient(error: unknown): boolean {
    return (
        error instanceof FlyError &&
        ((error.status === 409 && /concurrent update|current.?version/i.test(error.text)) ||
            (error.status === 412 && /getting replaced|still active/i.test(error.text)))
    );
}
