/** Detects that the volume with a deployed broker's data is gone, so that no `up` silently makes an empty one. */
import type { FlyClient } from "../api/client.ts";
import type { WireSnapshot, WireVolume } from "../api/types.ts";
import { isOutgoing } from "./find.ts";

/** Volume of the last `up`, with the name and region by which a create would adopt another one. */
export interface DeployedVolume {
    readonly app: string;
    readonly id: string;
    readonly name: string;
    readonly region: string;
    /** Snapshot that a new volume would be created from. */
    readonly snapshotId?: string | undefined;
}

/** Most snapshots in one message. */
const MAX_SNAPSHOTS = 3;

/**
 * Tells why the broker would start without its data, and how to restore it.
 * @returns undefined where the volume exists, or another one that a create adopts, or where a snapshot of it is set
 */
export async function lostVolumeProblem(
    client: FlyClient,
    { app, id, name, region, snapshotId }: DeployedVolume,
): Promise<string | undefined> {
    const volumes = await client.find<WireVolume[]>(["apps", app, "volumes"]);
    const present = (volumes ?? []).filter((volume) => !isOutgoing(volume));
    const adopted = present.some((volume) => volume.name === name && volume.region === region);
    if (adopted || present.some((volume) => volume.id === id)) return undefined;
    const path = ["apps", app, "volumes", id, "snapshots"];
    const all = (await client.find<WireSnapshot[]>(path)) ?? [];
    if (all.some((snapshot) => snapshot.id === snapshotId)) return undefined;
    const snapshots = all
        .filter(({ status = "created" }) => status === "created")
        .toSorted((a, b) => (b.created_at ?? "").localeCompare(a.created_at ?? ""));
    const [newest] = snapshots;
    const restore = newest
        ? `Fly has snapshots of it: ${snapshots.slice(0, MAX_SNAPSHOTS).map(describe).join(", ")}; ` +
          `to restore one: \`pulumi config set appkata-mqtt:volumeSnapshot ${newest.id}\``
        : "Fly has no snapshot of it; to import another volume, set `import.volume`";
    const instead =
        snapshotId === undefined ? "be empty" : `have the data of ${snapshotId}, another volume's`;
    return (
        `volumeReplacement: volume ${id} of app "${app}" is gone, and a new one would ${instead}. ${restore}; ` +
        "to start without its data: `pulumi config set appkata-mqtt:volumeReplacement discard`; " +
        "then `pulumi up --refresh`"
    );
}

function describe({ id, created_at: at }: WireSnapshot): string {
    return at === undefined ? id : `${id} of ${at}`;
}
