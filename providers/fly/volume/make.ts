/** Creates a volume, empty or from a snapshot; or imports one, or adopts that of an earlier run. */
import { toState } from "../../provider.ts";
import { askAgainAt, isAmbiguous, type FlyError } from "../api/errors.ts";
import type { WireVolume } from "../api/types.ts";
import type { VolumeChange } from "./change.ts";
import { findLeftover, getVolume, namesakes } from "./find.ts";
import { dataSource, withSnapshotOf } from "./restore.ts";
import { IMPORTED_BEFORE } from "../ownership.ts";
import { deadlineIn, poll } from "../api/wait.ts";

/** Seconds to look for a volume whose create request got no answer. */
const AGAIN_WITHIN_S = 180;

export async function ensureVolume(change: VolumeChange): Promise<WireVolume> {
    if (change.importId !== undefined) {
        return await importable(change, change.importId);
    }
    const volumes = await namesakes(change);
    const source = change.onReplace === "restore" ? await dataSource(change, volumes) : undefined;
    const leftover = await findLeftover(change, volumes);
    if (leftover) {
        source?.refuseOlder(leftover);
        return leftover;
    }
    if (!source) {
        return await makeVolume(change, change.snapshotId);
    }
    return await withSnapshotOf(change, source, (snapshot) => makeVolume(change, snapshot));
}

/** Creates a volume. After a lost answer, looks for it first: Fly would make a second one with the same name. */
async function makeVolume(change: VolumeChange, snapshot: string | undefined): Promise<WireVolume> {
    let lost: FlyError | undefined;
    let askAt = 0;
    const made = await poll(deadlineIn(AGAIN_WITHIN_S), async () => {
        if (lost) {
            const found = await findLeftover(change, await namesakes(change));
            if (found || performance.now() < askAt) {
                return found;
            }
        }
        try {
            return await change.client.post<WireVolume>(["apps", change.app, "volumes"], {
                body: toState({
                    name: change.name,
                    region: change.region,
                    size_gb: change.sizeGb,
                    encrypted: true,
                    compute: change.compute,
                    snapshot_id: snapshot,
                    snapshot_retention: change.snapshotRetentionDays,
                    auto_backup_enabled: change.autoBackup,
                }),
            });
        } catch (error) {
            if (!isAmbiguous(error)) {
                throw error;
            }
            lost = error;
            askAt = askAgainAt(error);
            return undefined;
        }
    });
    if (!made) {
        throw lost!;
    }
    return made;
}

/** @throws Error where the volume does not exist, or cannot be updated to its inputs */
async function importable(change: VolumeChange, id: string): Promise<WireVolume> {
    const found = await getVolume(change, id);
    if (!found) {
        throw new Error(
            `Cannot import volume ${id}: it is not in app "${change.app}".\n` + IMPORTED_BEFORE,
        );
    }
    const problems = [
        found.name !== change.name && `its name is "${found.name}", not "${change.name}"`,
        found.region !== change.region && `it is in region ${found.region}, not ${change.region}`,
        found.size_gb > change.sizeGb &&
            `it has ${found.size_gb} GB, not ${change.sizeGb}, and cannot shrink`,
    ].filter((problem) => problem !== false);
    if (problems.length > 0) {
        throw new Error(
            `Volume ${id} cannot be imported as it is declared: ${problems.join("; ")}.\n` +
                `  Declare it as it is. ${IMPORTED_BEFORE.trim()}`,
        );
    }
    return found;
}
