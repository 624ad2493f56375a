/** Finding the volume that an earlier run made, or making it. */
import { toState } from "../provider.ts";
import type { FlyClient } from "./client.ts";
import { isAmbiguous, isGone } from "./errors.ts";
import { isOwnedBy } from "./ownership.ts";
import type { WireMachine, WireVolume } from "./types.ts";
import type { VolumeInputs } from "./volume.ts";
import { deadlineIn, poll } from "./wait.ts";

/** States of a volume on its way out: a GET still finds it for a day. */
const OUTGOING = new Set([
    "scheduling_destroy",
    "pending_destroy",
    "fork_cleanup",
    "waiting_for_detach",
    "destroying",
    "destroyed",
]);

/** How long a volume is looked for whose making got no answer. */
const AGAIN_WITHIN_S = 120;

export async function ensureVolume(client: FlyClient, inputs: VolumeInputs): Promise<WireVolume> {
    if (inputs.adopt) {
        const found = await getVolume(client, inputs.app, inputs.adopt);
        if (!found) {
            throw new Error(`App "${inputs.app}" has no volume ${inputs.adopt} to take over.`);
        }
        if (found.name !== inputs.name || found.region !== inputs.region) {
            throw new Error(
                `Volume ${found.id} is "${found.name}" in ${found.region}; ` +
                    `"${inputs.name}" in ${inputs.region} is wanted, and Fly can change neither.\n` +
                    "  To take it over, give it the name and region that it has.",
            );
        }
        return found;
    }
    const path = ["apps", inputs.app, "volumes"];
    let lost: unknown;
    const made = await poll(deadlineIn(AGAIN_WITHIN_S), async () => {
        const leftover = await findLeftover(client, inputs);
        if (leftover) {
            return leftover;
        }
        try {
            return await client.post<WireVolume>(path, {
                body: toState({
                    name: inputs.name,
                    region: inputs.region,
                    size_gb: inputs.sizeGb,
                    encrypted: true,
                    snapshot_retention: inputs.snapshotRetentionDays,
                    auto_backup_enabled: inputs.autoBackup,
                }),
            });
        } catch (error) {
            if (!isAmbiguous(error)) {
                throw error;
            }
            lost = error;
            return undefined;
        }
    });
    if (!made) {
        throw lost;
    }
    return made;
}

/** What an earlier run made but could not record: the name, the region, nobody else's machine. */
async function findLeftover(
    client: FlyClient,
    inputs: VolumeInputs,
): Promise<WireVolume | undefined> {
    const volumes = await client.get<WireVolume[]>(["apps", inputs.app, "volumes"]);
    const candidates = volumes
        .filter(
            ({ name, region, state }) =>
                name === inputs.name && region === inputs.region && !OUTGOING.has(state),
        )
        .sort((a, b) => (a.created_at ?? "").localeCompare(b.created_at ?? ""));
    const free: WireVolume[] = [];
    for (const candidate of candidates) {
        if (!candidate.attached_machine_id) {
            free.push(candidate);
        } else if (await isAttachedToOurs(client, inputs, candidate.attached_machine_id)) {
            return candidate;
        }
    }
    const fits = free.find(({ size_gb }) => size_gb <= inputs.sizeGb);
    const [tooLarge] = free;
    if (!fits && tooLarge) {
        throw new Error(
            `Volume ${tooLarge.id} "${tooLarge.name}" is there already and has ${tooLarge.size_gb} GB; ` +
                `${inputs.sizeGb} GB are wanted, and Fly cannot shrink a volume.\n` +
                `  Set the size to ${tooLarge.size_gb} GB, or remove it: fly volumes destroy ${tooLarge.id}`,
        );
    }
    return fits;
}

async function isAttachedToOurs(
    client: FlyClient,
    inputs: VolumeInputs,
    machineId: string,
): Promise<boolean> {
    if (!inputs.owner) {
        return false;
    }
    try {
        const machine = await client.get<WireMachine>(["apps", inputs.app, "machines", machineId]);
        return machine.state === "destroyed" || isOwnedBy(inputs.owner, machine.config);
    } catch (error) {
        if (isGone(error)) {
            return true;
        }
        throw error;
    }
}

/** `undefined` when it is gone or going. */
export async function getVolume(
    client: FlyClient,
    app: string,
    id: string,
): Promise<WireVolume | undefined> {
    try {
        const found = await client.get<WireVolume>(["apps", app, "volumes", id]);
        return OUTGOING.has(found.state) ? undefined : found;
    } catch (error) {
        if (isGone(error)) {
            return undefined;
        }
        throw error;
    }
}
