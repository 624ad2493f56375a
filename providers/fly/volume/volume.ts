/** Provider of a volume: a disk on one host, for one machine at a time, that can only grow. */
import {
    diffProperties,
    failuresOf,
    isUnknown,
    PartialFailure,
    toState,
    type Provider,
    type WithProvider,
} from "../../provider.ts";
import { FlyError, isGone } from "../api/errors.ts";
import { importProblem, isOwnedBy } from "../ownership.ts";
import { protectionProblem, refuseProtected } from "../protection.ts";
import { volumeNameProblem, volumeSizeProblem } from "../rules.ts";
import { configure } from "../api/token.ts";
import type { WireVolume } from "../api/types.ts";
import { getVolume, holderOf, namesakes } from "./find.ts";
import { changeOf, type VolumeChange } from "./change.ts";
import { VOLUME_RULES, type VolumeInputs, type VolumeOutputs } from "./inputs.ts";
import { ensureVolume } from "./make.ts";
import { changesOf, replacementProblem, retentionProblem, shrinkProblem } from "./rules.ts";
import { rebootHolder, sync, waitUntilReady } from "./sync.ts";
import { deadlineIn, poll, Progress } from "../api/wait.ts";

/** Longer than a volume stays bound after its machine is gone: a minute or two. */
const UNBOUND_WITHIN_S = 180;

export const volume: Provider<VolumeInputs, VolumeOutputs> = {
    configure,

    check(olds, news) {
        const failures = failuresOf([
            ["name", volumeNameProblem(news.name)],
            ["sizeGb", volumeSizeProblem(news.sizeGb)],
            ["sizeGb", shrinkProblem(olds, news)],
            ["onReplace", replacementProblem(olds, news)],
            ["region", protectionProblem("volume", news, changesOf(olds, news).length > 0)],
            ["importId", importProblem(olds, news, changesOf(olds, news).length > 0)],
            ["region", news.region ? undefined : "a volume needs a region"],
            ["snapshotRetentionDays", retentionProblem(news.snapshotRetentionDays)],
        ]);
        return Promise.resolve({ inputs: news, failures });
    },

    diff(id, olds, news) {
        const { changed, replaces } = diffProperties(olds, news, VOLUME_RULES);
        // The stack imports another volume; `delete` leaves the present one on Fly.
        if (news.importId !== undefined && !isUnknown(news.importId) && news.importId !== id) {
            changed.push("importId");
            replaces.push("importId");
        }
        return Promise.resolve({ changes: changed.length > 0, replaces });
    },

    async create(inputs) {
        const change = changeOf(inputs);
        const found = await ensureVolume(change);
        try {
            const ready = await waitUntilReady(change, found);
            return { id: ready.id, outs: toOutputs(inputs, await sync(change, ready)) };
        } catch (error) {
            throw new PartialFailure(found.id, toOutputs(inputs, found), error);
        }
    },

    async read(id, props) {
        if (!props) {
            throw new Error("A volume's state has no properties: it cannot be read.");
        }
        const found = await getVolume(changeOf(props), id);
        if (!found) {
            return {};
        }
        const inputs: VolumeInputs = {
            endpoint: props.endpoint,
            app: props.app,
            name: found.name,
            region: found.region,
            sizeGb: found.size_gb,
        };
        if (props.snapshotRetentionDays !== undefined) {
            inputs.snapshotRetentionDays = found.snapshot_retention ?? props.snapshotRetentionDays;
        }
        if (props.autoBackup !== undefined) {
            inputs.autoBackup = found.auto_backup_enabled ?? props.autoBackup;
        }
        for (const key of [
            "owner",
            "onReplace",
            "snapshotId",
            "importId",
            "compute",
            "protectedBy",
        ] as const) {
            if (props[key] !== undefined) {
                Object.assign(inputs, { [key]: props[key] });
            }
        }
        return {
            id,
            props: toOutputs(inputs, found),
            inputs: inputs as VolumeOutputs,
        };
    },

    async update(id, olds, news) {
        const change = changeOf(news);
        const found = await getVolume(change, id);
        if (!found) {
            throw new Error(
                `Volume ${id} of app "${news.app}" is not at ${news.endpoint}.\n` +
                    "  If someone deleted it, run `pulumi up --refresh`.",
            );
        }
        try {
            const ready = await waitUntilReady(change, found);
            const synced = await sync(change, ready);
            // A run that was killed after growing the volume has not rebooted the machine.
            if (olds.sizeGb < news.sizeGb && found.size_gb >= news.sizeGb) {
                await rebootHolder(change, found);
            }
            return { outs: toOutputs(news, synced) };
        } catch (error) {
            throw new PartialFailure(id, { ...news, ...stateOf(olds) }, error);
        }
    },

    async delete(id, props) {
        const change = changeOf(props);
        const successor = await importedSuccessor(change, id);
        if (successor) {
            console.log(
                `volume ${id}: kept, since its data is nowhere else; the broker now uses ${successor.id}. ` +
                    `Remove it once nobody needs it: fly volumes destroy ${id} -a ${props.app}`,
            );
            return;
        }
        refuseProtected(`Volume ${id}`, props);
        const progress = new Progress(`volume ${id}`);
        let bound: FlyError | undefined;
        const done = await poll(
            deadlineIn(UNBOUND_WITHIN_S),
            async () => {
                try {
                    await change.client.delete(["apps", props.app, "volumes", id]);
                    return true;
                } catch (error) {
                    if (isGone(error)) {
                        return true;
                    }
                    if (!isBound(error)) {
                        throw error;
                    }
                    if (await isInUse(change, id)) {
                        console.log(`volume ${id}: is in use by this stack again, so it is kept`);
                        return true;
                    }
                    bound = error;
                    progress.say(`waiting for its machine to detach (${error.text})`);
                    return undefined;
                }
            },
            [1000, 2000, 3000, 5000],
        );
        if (!done && (await getVolume(change, id))) {
            throw bound ?? new Error(`Volume ${id} is still bound.`);
        }
    },
};

function isBound(error: unknown): error is FlyError {
    return (
        error instanceof FlyError &&
        (error.status === 412 || error.status === 409) &&
        /bound to machine|claimed by machine|in use|attached/i.test(error.text)
    );
}

/** Tells whether a machine of this stack runs on the volume, as after an interrupted replacement. */
async function isInUse(change: VolumeChange, id: string): Promise<boolean> {
    const found = await getVolume(change, id);
    const holder = found && (await holderOf(change, found));
    return (
        holder !== undefined &&
        holder.state === "started" &&
        change.owner !== undefined &&
        isOwnedBy(change.owner, holder.config)
    );
}

/**
 * Finds a volume with the same name and region that a machine of this stack uses instead: `importId` was set
 * to it. (A replacement for any other reason has another name, region or app.)
 */
async function importedSuccessor(
    change: VolumeChange,
    id: string,
): Promise<WireVolume | undefined> {
    const volumes = await namesakes(change).catch((error: unknown) => {
        if (isGone(error)) {
            return [];
        }
        throw error;
    });
    for (const volume of volumes) {
        if (volume.id === id || volume.region !== change.region) continue;
        const holder = await holderOf(change, volume);
        if (holder && change.owner && isOwnedBy(change.owner, holder.config)) return volume;
    }
    return undefined;
}

function stateOf(outputs: VolumeOutputs) {
    const { volumeId, zone, encrypted, fstype, state, createdAt, sizeGb } = outputs;
    return { volumeId, zone, encrypted, fstype, state, createdAt, sizeGb };
}

function toOutputs(inputs: WithProvider<VolumeInputs>, found: WireVolume): VolumeOutputs {
    return toState({
        ...inputs,
        volumeId: found.id,
        zone: found.zone ?? "",
        encrypted: found.encrypted ?? true,
        fstype: found.fstype ?? "ext4",
        state: found.state,
        createdAt: found.created_at ?? "",
    });
}
