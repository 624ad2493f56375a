/** Updates an existing machine to match its inputs, under a lease. */
import type { FlyClient } from "../api/client.ts";
import { withLease } from "../api/lease.ts";
import { waitForHealthyWithLog } from "../api/logs.ts";
import { changesNeeded, effectiveConfig, isAsWanted, type MachineTarget } from "./config.ts";
import { getMachine, startMachine } from "./power.ts";
import { replaceConfig } from "./replace.ts";
import { takeSnapshot } from "../volume/snapshot.ts";
import type { MachineConfig, WireMachine } from "../api/types.ts";
import { deadlineIn, type Deadline } from "../api/wait.ts";

/**
 * Changes only what differs, and waits until the machine is healthy. Can be run again at any point.
 * @throws UpdateFailed where the new instance does not become healthy in time
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
        return await waitForHealthyWithLog(client, target, running, wanted, deadline);
    }
    return await withLease(client, { ...ref, owner: target.owner }, deadline, async (nonce) => {
        // Someone may have changed the machine before we got the lease.
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
        // The snapshot's time does not count.
        const updateDeadline = deadlineIn(deadline.seconds);
        return await replaceConfig(client, target, current, nonce, updateDeadline);
    }
    if (needed.metadata.length > 0) {
        await syncMetadata(client, path, wanted, found, nonce);
    }
    const fresh = current.state !== "started" && current.state !== "starting";
    const ref = { app: target.app, id: current.id, instanceId: current.instance_id, fresh };
    if (fresh) {
        await startMachine(client, target.app, current, nonce, deadline);
    }
    return await waitForHealthyWithLog(client, target, ref, wanted, deadline);
}

/** Takes a snapshot before the image changes: a newer broker may convert its data so that no older one can read it. */
async function snapshotVolumes(
    client: FlyClient,
    app: string,
    { mounts }: MachineConfig,
): Promise<void> {
    for (const { volume } of mounts ?? []) {
        const snapshot = await takeSnapshot(client, app, volume);
        console.log(`volume ${volume}: saved as snapshot ${snapshot} before the image changes`);
    }
}

/** Updates metadata, without a restart and without a new version. */
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
