/** Moves a volume's data to its replacement: takes a snapshot of the old one and restores it into the new one. */
import { MachineApi } from "../api/machineApi.ts";
import { withLease } from "../machine/lease.ts";
import { startAgain } from "../machine/power.ts";
import { waitForState } from "../machine/wait.ts";
import { takeSnapshot } from "./snapshot.ts";
import type { WireMachine, WireVolume } from "../api/types.ts";
import type { VolumeChange } from "./change.ts";
import { byHolder } from "./find.ts";
import { deadlineIn } from "../api/wait.ts";

const STOPPED_WITHIN_S = 120;

/** Volume that is being replaced, and the machine that writes to it. */
class DataSource {
    readonly volume: WireVolume;
    readonly machine: WireMachine | undefined;

    constructor(volume: WireVolume, machine: WireMachine | undefined) {
        this.volume = volume;
        this.machine = machine;
    }

    /**
     * Refuses a leftover of an earlier run that may lack data: something may have been written to this volume
     * since.
     * @throws Error where the leftover may hold older data
     */
    refuseOlder(leftover: WireVolume): void {
        const stopped = this.machine?.state === "stopped" ? endedAt(this.machine) : undefined;
        const made = Date.parse(leftover.created_at ?? "");
        if (stopped !== undefined && Math.floor(made / 1000) >= Math.floor(stopped / 1000)) {
            return;
        }
        throw new Error(
            `Volume ${leftover.id} "${leftover.name}" already exists in ${leftover.region}, and may hold ` +
                `older data than ${this.volume.id} in ${this.volume.region}, which it would replace.\n` +
                `  Remove it: \`fly volumes destroy ${leftover.id} -a APP\`.`,
        );
    }
}

/** Time of the machine's last exit or stop, by its events, in milliseconds since 1970. */
function endedAt({ events }: WireMachine): number | undefined {
    const ends = (events ?? []).filter(({ type }) => type === "exit" || type === "stop");
    const times = ends.flatMap(({ timestamp }) => timestamp ?? []);
    return times.length > 0 ? Math.max(...times) : undefined;
}

/**
 * Finds the volume whose data to move: in another region, with the same name, and attached to a machine of
 * ours or the only unattached one.
 * @param volumes the app's volumes with the same name
 */
export async function dataSource(
    change: VolumeChange,
    volumes: readonly WireVolume[],
): Promise<DataSource | undefined> {
    const elsewhere = volumes.filter(({ region }) => region !== change.region);
    const { ours, others, free } = await byHolder(change, elsewhere);
    if (ours.length === 0 && others.length > 0) {
        throw new Error(
            `Volume ${placesOf(others)} with the same name is ` +
                "attached to a machine that is not known as this stack's, so its data cannot be moved.\n" +
                '  Run `pulumi up --refresh`; or set "discard" to start without that data.',
        );
    }
    const possible: { volume: WireVolume; machine?: WireMachine }[] =
        ours.length > 0 ? ours : free.map((volume) => ({ volume }));
    if (possible.length > 1) {
        throw new Error(
            `Which volume's data is to be moved? Volumes with the name "${change.name}" are ` +
                `${placesOf(possible.map(({ volume }) => volume))}.\n` +
                "  Remove those that nobody needs.",
        );
    }
    const [only] = possible;
    return only && new DataSource(only.volume, only.machine);
}

function placesOf(volumes: readonly WireVolume[]): string {
    return volumes.map(({ id, region }) => `${id} in ${region}`).join(", ");
}

/**
 * Lets `work` create a volume from a snapshot of the source. Cordons and stops the source's machine first, so
 * that the snapshot misses nothing. Where that fails, starts the machine again.
 */
export async function withSnapshotOf<T>(
    change: VolumeChange,
    { volume, machine }: DataSource,
    work: (snapshot: string) => Promise<T>,
): Promise<T> {
    const { owner, region } = change;
    const restore = async () => work(await takeSnapshot(change, volume.id));
    if (!machine || !owner || machine.state === "stopped") {
        return await restore();
    }
    const deadline = deadlineIn(STOPPED_WITHIN_S);
    const api = new MachineApi(change, machine.id);
    return await withLease(api, { owner, deadline }, async (leased) => {
        try {
            // Otherwise Fly's proxy would start it for a client that reconnects.
            await leased.post(["cordon"], { safe: true });
            console.log(
                `machine ${machine.id}: stopping it, so that all its data gets to ${region}`,
            );
            await leased.post(["stop"], { safe: true, body: {} });
            const { instance_id: instanceId } = machine;
            await waitForState(leased, "stopped", { instanceId, deadline });
            return await restore();
        } catch (error) {
            throw await startAgain(leased, machine, error);
        }
    });
}
