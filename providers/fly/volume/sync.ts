/** Updates an existing volume to match its inputs. */
import { toState } from "../../provider.ts";
import type { AppOnFly } from "../api/client.ts";
import { isAmbiguous, type FlyError } from "../api/errors.ts";
import { MachineApi } from "../api/machineApi.ts";
import { rebootMachine } from "../machine/power.ts";
import type { WireVolume } from "../api/types.ts";
import type { VolumeChange } from "./change.ts";
import { deadlineIn, poll, Progress } from "../api/wait.ts";

/** Long, since a volume made from a snapshot is restored first. */
const READY_WITHIN_S = 900;
const EXTENDED_WITHIN_S = 60;

export async function waitUntilReady(
    { client, app }: AppOnFly,
    made: WireVolume,
): Promise<WireVolume> {
    if (made.state === "created") {
        return made;
    }
    const progress = new Progress(`volume ${made.id}`);
    let seen = made.state;
    const ready = await poll(deadlineIn(READY_WITHIN_S), async () => {
        const found = await client.get<WireVolume>(["apps", app, "volumes", made.id]);
        seen = found.state;
        progress.say(`waiting for it to be created (${seen})`);
        return seen === "created" ? found : undefined;
    });
    if (!ready) {
        throw new Error(`Volume ${made.id} is still "${seen}" after ${READY_WITHIN_S} s.`);
    }
    return ready;
}

/** Updates size and snapshot settings, where they differ. */
export async function sync(change: VolumeChange, found: WireVolume): Promise<WireVolume> {
    const path = ["apps", change.app, "volumes", found.id];
    let current = found;
    if (change.sizeGb < found.size_gb) {
        throw new Error(
            `Volume ${found.id} has ${found.size_gb} GB; ${change.sizeGb} GB are wanted, ` +
                "and Fly cannot shrink a volume.",
        );
    }
    if (change.sizeGb > found.size_gb) {
        const extended = await extend(change, path);
        current = { ...current, ...extended.volume, size_gb: change.sizeGb };
        if (extended.needs_restart) {
            await rebootHolder(change, current);
        }
    }
    const snapshots = toState({
        snapshot_retention: changed(change.snapshotRetentionDays, found.snapshot_retention),
        auto_backup_enabled: changed(change.autoBackup, found.auto_backup_enabled),
    });
    if (Object.keys(snapshots).length > 0) {
        const updated = await change.client.put<WireVolume>(path, { body: snapshots });
        current = { ...current, ...updated };
    }
    return current;
}

interface Extended {
    readonly volume?: WireVolume;
    readonly needs_restart?: boolean;
}

/** Grows the volume. Not repeated blindly: the second time Fly would answer that no restart is needed. */
async function extend(
    { client, sizeGb }: VolumeChange,
    path: readonly string[],
): Promise<Extended> {
    let lost: FlyError | undefined;
    const extended = await poll<Extended>(deadlineIn(EXTENDED_WITHIN_S), async () => {
        try {
            const body = { size_gb: sizeGb };
            return await client.put<Extended>([...path, "extend"], { body, safe: false });
        } catch (error) {
            if (!isAmbiguous(error)) {
                throw error;
            }
            lost = error;
            const volume = await client.get<WireVolume>(path);
            return volume.size_gb >= sizeGb ? { volume, needs_restart: true } : undefined;
        }
    });
    if (!extended) {
        throw lost!;
    }
    return extended;
}

export async function rebootHolder(
    change: VolumeChange,
    { attached_machine_id: id }: WireVolume,
): Promise<void> {
    if (id) {
        await rebootMachine(new MachineApi(change, id), change.owner);
    }
}

function changed<T>(wanted: T | undefined, found: T | null | undefined): T | undefined {
    return wanted === found ? undefined : wanted;
}
