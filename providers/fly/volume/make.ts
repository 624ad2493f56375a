/** Creates a volume, empty or from a snapshot; or imports one, or adopts that of an earlier run. */
import { toState } from "../../provider.ts";
import type { FlyClient } from "../api/client.ts";
import { askAgainAt, isAmbiguous, type FlyError } from "../api/errors.ts";
import type { WireVolume } from "../api/types.ts";
import type { VolumeInputs } from "./inputs.ts";
import { findLeftover, getVolume, namesakes } from "./find.ts";
import { dataSource, withSnapshotOf } from "./restore.ts";
import { IMPORTED_BEFORE } from "../ownership.ts";
import { deadlineIn, poll } from "../api/wait.ts";

/** Seconds to look for a volume whose create request got no answer. */
const AGAIN_WITHIN_S = 180;

export async function ensureVolume(client: FlyClient, inputs: VolumeInputs): Promise<WireVolume> {
    if (inputs.importId !== undefined) {
        return await importable(client, inputs, inputs.importId);
    }
    const volumes = await namesakes(client, inputs);
    const source =
        inputs.onReplace === "restore" ? await dataSource(client, inputs, volumes) : undefined;
    const leftover = await findLeftover(client, inputs, volumes);
    if (leftover) {
        source?.refuseOlder(leftover);
        return leftover;
    }
    if (!source) {
        return await makeVolume(client, inputs, inputs.snapshotId);
    }
    return await withSnapshotOf(client, inputs, source, (snapshot) =>
        makeVolume(client, inputs, snapshot),
    );
}

/** Creates a volume. After a lost answer, looks for it first: Fly would make a second one with the same name. */
async function makeVolume(
    client: FlyClient,
    inputs: VolumeInputs,
    snapshot: string | undefined,
): Promise<WireVolume> {
    let lost: FlyError | undefined;
    let askAt = 0;
    const made = await poll(deadlineIn(AGAIN_WITHIN_S), async () => {
        if (lost) {
            const found = await findLeftover(client, inputs, await namesakes(client, inputs));
            if (found || performance.now() < askAt) {
                return found;
            }
        }
        try {
            return await client.post<WireVolume>(["apps", inputs.app, "volumes"], {
                body: toState({
                    name: inputs.name,
                    region: inputs.region,
                    size_gb: inputs.sizeGb,
                    encrypted: true,
                    compute: inputs.compute,
                    snapshot_id: snapshot,
                    snapshot_retention: inputs.snapshotRetentionDays,
                    auto_backup_enabled: inputs.autoBackup,
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
async function importable(
    client: FlyClient,
    inputs: VolumeInputs,
    id: string,
): Promise<WireVolume> {
    const found = await getVolume(client, inputs.app, id);
    if (!found) {
        throw new Error(
            `Cannot import volume ${id}: it is not in app "${inputs.app}".\n` + IMPORTED_BEFORE,
        );
    }
    const problems = [
        found.name !== inputs.name && `its name is "${found.name}", not "${inputs.name}"`,
        found.region !== inputs.region && `it is in region ${found.region}, not ${inputs.region}`,
        found.size_gb > inputs.sizeGb &&
            `it has ${found.size_gb} GB, not ${inputs.sizeGb}, and cannot shrink`,
    ].filter((problem) => problem !== false);
    if (problems.length > 0) {
        throw new Error(
            `Volume ${id} cannot be imported as it is declared: ${problems.join("; ")}.\n` +
                `  Declare it as it is. ${IMPORTED_BEFORE.trim()}`,
        );
    }
    return found;
}
