/** Detects that the volume with a deployed broker's data is gone, so that no `up` silently makes an empty one. */
import type { FlyClient } from "../api/client.ts";
import type { WireSnapshot, WireVolume } from "../api/types.ts";
import { isOutgoing } from "./find.ts";

/** Volume of the last `up`, with the name and region that a new one would have. */
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
 * @returns undefined where the volume exists, or a snapshot of it is set
 */
export async function lostVolumeProblem(
    client: FlyClient,
    { app, id, name, region, snapshotId }: DeployedVolume,
): Promise<string | undefined> {
    const list = async <T>(...path: string[]) =>
        (await client.find<T[]>(["apps", app, ...path])) ?? [];
    const present = (await list<WireVolume>("volumes")).filter((volume) => !isOutgoing(volume));
    if (present.some((volume) => volume.id === id)) return undefined;
    const all = await list<WireSnapshot>("volumes", id, "snapshots");
    if (all.some((snapshot) => snapshot.id === snapshotId)) return undefined;
    const snapshots = all
        .filter(({ status = "created" }) => status === "created")
        .toSorted((a, b) => (b.created_at ?? "").localeCompare(a.created_at ?? ""));
    const [newest] = snapshots;
    const restore = newest
        ? `Fly has snapshots of it: ${snapshots.slice(0, MAX_SNAPSHOTS).map(describe).join(", ")}; ` +
          `to restore one: \`pulumi config set appkata-mqtt:volumeSnapshot ${newest.id}\``
        : "Fly has no snapshot of it";
    const namesake = present.find((volume) => volume.name === name && volume.region === region);
    const other = namesake ? `volume ${namesake.id} of the same name` : "another volume";
    const instead =
        snapshotId === undefined
            ? "be empty"
            : `have the data of ${snapshotId}, which Fly does not list for it`;
    return (
        `volumeReplacement: volume ${id} of app "${app}" is gone, and a new one would ${instead}. ${restore}; ` +
        `to continue with ${other}: \`pulumi config set --path 'appkata-mqtt:import.volume' ${namesake?.id ?? "ID"}\`; ` +
        "to start without the data: `pulumi config set appkata-mqtt:volumeReplacement discard` for one `up`; " +
        "then `pulumi up --refresh`. After an interrupted destroy: `pulumi destroy`"
    );
}

function describe({ id, created_at: at }: WireSnapshot): string {
    return at === undefined ? id : `${id} of ${at}`;
}
