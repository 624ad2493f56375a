/** Finds a volume: by its ID, or the leftover of an earlier run. */
import type { AppOnFly } from "../api/client.ts";
import { describeVolume, isReachable } from "../describe.ts";
import { importCommand, isOwnedBy, listMachines, othersMachines } from "../ownership.ts";
import type { WireMachine, WireVolume } from "../api/types.ts";
import type { VolumeChange } from "./change.ts";

/** States of a volume that is being destroyed: a GET still finds it for a day. */
const OUTGOING = new Set([
    "scheduling_destroy",
    "pending_destroy",
    "fork_cleanup",
    "waiting_for_detach",
    "destroying",
    "destroyed",
]);

export function isOutgoing({ state }: WireVolume): boolean {
    return OUTGOING.has(state);
}

/**
 * Finds a volume that an earlier run made but could not record: same name, same region, and not attached to
 * someone else's machine. An unattached one counts as ours only where all machines of the app are ours. Refuses
 * to choose between several, even if all are ours (`fly machine clone` copies the owner too): only the user
 * knows which one has the data.
 */
export async function findLeftover(
    change: VolumeChange,
    volumes: readonly WireVolume[],
): Promise<WireVolume | undefined> {
    const candidates = volumes.filter((volume) => volume.region === change.region);
    const { ours, free } = await byHolder(change, candidates);
    if (ours.length === 1) return ours[0]!.volume;
    const possible = ours.length > 0 ? ours.map(({ volume }) => volume) : free;
    const [first] = possible;
    if (!first) {
        return undefined;
    }
    if (possible.length > 1 || !isReachable(first)) {
        throw new Error(
            `Which volume has the data? App "${change.app}" has\n` +
                possible.map((volume) => `  - ${describeVolume(volume)}\n`).join("") +
                `  Choose one: \`${importCommand(change.owner, "volume", "ID")}\`; or remove those that nobody ` +
                `needs: \`fly volumes destroy ID -a ${change.app}\`. For one that Fly cannot reach, see ` +
                "docs/host-gone.md.",
        );
    }
    const machines = await change.client.get<WireMachine[]>(["apps", change.app, "machines"]);
    const others = othersMachines(machines, change.owner);
    if (others.length > 0) {
        throw new Error(
            `Volume ${first.id} "${first.name}" already exists and may be someone else's: ` +
                `app "${change.app}" also holds ${listMachines(others)}.\n` +
                "  Choose another app name; or import the volume: " +
                `\`${importCommand(change.owner, "volume", first.id)}\`; or, if nobody needs it, remove it: ` +
                `\`fly volumes destroy ${first.id} -a ${change.app}\``,
        );
    }
    if (first.size_gb > change.sizeGb) {
        throw new Error(
            `Volume ${first.id} "${first.name}" already exists and has ${first.size_gb} GB; ` +
                `${change.sizeGb} GB are wanted, and Fly cannot shrink a volume.\n` +
                `  Set the size to ${first.size_gb} GB, or remove it: ` +
                `\`fly volumes destroy ${first.id} -a ${change.app}\``,
        );
    }
    return first;
}

/** Groups volumes by the machine they are attached to: one of ours, someone else's, or none. */
export async function byHolder(
    change: VolumeChange,
    volumes: readonly WireVolume[],
): Promise<{
    ours: { volume: WireVolume; machine: WireMachine }[];
    others: WireVolume[];
    free: WireVolume[];
}> {
    const { owner } = change;
    const found: Awaited<ReturnType<typeof byHolder>> = { ours: [], others: [], free: [] };
    for (const volume of volumes) {
        const machine = await holderOf(change, volume);
        if (!machine) found.free.push(volume);
        else if (owner && isOwnedBy(owner, machine.config)) found.ours.push({ volume, machine });
        else found.others.push(volume);
    }
    return found;
}

/** Lists the app's volumes with the same name, in all regions. */
export async function namesakes({ client, app, name }: VolumeChange): Promise<WireVolume[]> {
    const volumes = await client.get<WireVolume[]>(["apps", app, "volumes"]);
    return volumes.filter((volume) => volume.name === name && !isOutgoing(volume));
}

/** Reads the machine that a volume is attached to, if it still exists. */
export async function holderOf(
    { client, app }: AppOnFly,
    { attached_machine_id: id }: WireVolume,
): Promise<WireMachine | undefined> {
    if (!id) {
        return undefined;
    }
    const machine = await client.find<WireMachine>(["apps", app, "machines", id]);
    return machine?.state === "destroyed" ? undefined : machine;
}

/** @returns undefined where the volume is gone or being destroyed */
export async function getVolume(
    { client, app }: AppOnFly,
    id: string,
): Promise<WireVolume | undefined> {
    const found = await client.find<WireVolume>(["apps", app, "volumes", id]);
    return found && isOutgoing(found) ? undefined : found;
}
