/** Bringing an existing machine to the wanted state, under a lease. */
import type { FlyClient } from "../api/client.ts";
import { withLease } from "../api/lease.ts";
import { waitUntilHealthyOrTell } from "../api/logs.ts";
import { changesNeeded, effectiveConfig, isAsWanted, type MachineTarget } from "./config.ts";
import { getMachine, startMachine } from "./power.ts";
import { replaceConfig } from "./replace.ts";
import { takeSnapshot } from "../volume/snapshot.ts";
import type { MachineConfig, WireMachine } from "../api/types.ts";
import { deadlineIn, type Deadline } from "../api/wait.ts";

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
        await startMachine(client, target.app, current, nonce, deadline);
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
