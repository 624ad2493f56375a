/** A volume: a disk on one host, for one machine at a time, which can only grow. */
import {
    diffProperties,
    failuresOf,
    PartialFailure,
    toState,
    type PropertyRules,
    type Provider,
    type WithProvider,
} from "../provider.ts";
import { flyClient, type FlyClient } from "./client.ts";
import { FlyError, isGone } from "./errors.ts";
import { importProblem, isOwnedBy, type Owner } from "./ownership.ts";
import { volumeNameProblem, volumeSizeProblem } from "./rules.ts";
import { configure } from "./token.ts";
import type { WireVolume } from "./types.ts";
import { getVolume, holderOf } from "./volume-find.ts";
import { ensureVolume } from "./volume-make.ts";
import { changesOf, replacementProblem, retentionProblem, shrinkProblem } from "./volume-rules.ts";
import { restartHolder, sync, waitUntilReady } from "./volume-sync.ts";
import { deadlineIn, poll, Progress } from "./wait.ts";

/** What happens to the data where a change replaces the volume. */
export type OnReplace = "refuse" | "restore" | "discard";

export interface VolumeInputs {
    /** A change is recorded. */
    endpoint: string;
    /** A change replaces the volume, without its data (see `onReplace`). */
    app: string;
    /** Not unique at Fly. A change replaces the volume without its data: Fly cannot rename one. */
    name: string;
    /** A change replaces the volume: it stays on its host. */
    region: string;
    /** Grows in place, with a restart of the machine if Fly says so. Less is refused. */
    sizeGb: number;
    /** 1 to 60. Changed in place. Left out: as Fly has it (5). */
    snapshotRetentionDays?: number;
    /** A snapshot each day. Changed in place. Left out: as Fly has it (on). */
    autoBackup?: boolean;
    /** Whose machines the app may hold when a leftover is looked for. A change is recorded. */
    owner?: Owner;
    /**
     * `refuse`: a change that replaces the volume fails. `restore`: in another region, the machine
     * is stopped, a snapshot taken, and the new volume made from it. `discard`: the data is not
     * taken along; a volume of that name that is free in the region is taken up, else an empty one
     * made. A change does nothing by itself. @default "refuse"
     */
    onReplace?: OnReplace;
    /**
     * The snapshot that it is made from, of the same organisation, where `onReplace` does not take
     * another. A later change does nothing.
     */
    snapshotId?: string;
    /** An existing volume, taken instead of making one. A later change does nothing. */
    importId?: string;
}

export interface VolumeOutputs extends VolumeInputs {
    volumeId: string;
    /** The host's zone in the region. */
    zone: string;
    encrypted: boolean;
    fstype: string;
    state: string;
    createdAt: string;
}

export const VOLUME_RULES: PropertyRules<VolumeInputs> = {
    endpoint: { effect: "update" },
    app: { effect: "replace" },
    name: { effect: "replace" },
    region: { effect: "replace" },
    sizeGb: { effect: "update" },
    snapshotRetentionDays: { effect: "update", optional: true },
    autoBackup: { effect: "update", optional: true },
    owner: { effect: "update", optional: true },
    onReplace: { effect: "none", optional: true },
    snapshotId: { effect: "none", optional: true },
    importId: { effect: "none", optional: true },
};

/** A machine's volume stays bound for a minute or two after the machine is gone. */
const UNBOUND_WITHIN_S = 180;

export const volume: Provider<VolumeInputs, VolumeOutputs> = {
    configure,

    check(olds, news) {
        const failures = failuresOf([
            ["name", volumeNameProblem(news.name)],
            ["sizeGb", volumeSizeProblem(news.sizeGb)],
            ["sizeGb", shrinkProblem(olds, news)],
            ["onReplace", replacementProblem(olds, news)],
            ["importId", importProblem(olds, news, changesOf(olds, news).length > 0)],
            ["region", news.region ? undefined : "a volume needs a region"],
            ["snapshotRetentionDays", retentionProblem(news.snapshotRetentionDays)],
        ]);
        return Promise.resolve({ inputs: news, failures });
    },

    diff(_id, olds, news) {
        const { changed, replaces } = diffProperties(olds, news, VOLUME_RULES);
        return Promise.resolve({
            changes: changed.length > 0,
            replaces,
            // Made first, a new one of the same name would be the old one: see `create`.
            deleteBeforeReplace: replaces.length === 0,
        });
    },

    async create(inputs) {
        const client = flyClient(inputs.endpoint);
        const found = await ensureVolume(client, inputs);
        try {
            const ready = await waitUntilReady(client, inputs.app, found);
            return { id: ready.id, outs: toOutputs(inputs, await sync(client, inputs, ready)) };
        } catch (error) {
            throw new PartialFailure(found.id, toOutputs(inputs, found), error);
        }
    },

    async read(id, props) {
        if (!props) {
            throw new Error("A volume's state has no properties: it cannot be read.");
        }
        const found = await getVolume(flyClient(props.endpoint), props.app, id);
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
        for (const key of ["owner", "onReplace", "snapshotId", "importId"] as const) {
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
        const client = flyClient(news.endpoint);
        const found = await getVolume(client, news.app, id);
        if (!found) {
            throw new Error(
                `Volume ${id} of app "${news.app}" is not at ${news.endpoint}.\n` +
                    "  If someone deleted it, run `pulumi up --refresh`.",
            );
        }
        try {
            const ready = await waitUntilReady(client, news.app, found);
            const synced = await sync(client, news, ready);
            // A run that was killed after it had it grown has not restarted the machine.
            if (olds.sizeGb < news.sizeGb && found.size_gb >= news.sizeGb) {
                await restartHolder(client, news, found);
            }
            return { outs: toOutputs(news, synced) };
        } catch (error) {
            throw new PartialFailure(id, { ...news, ...stateOf(olds) }, error);
        }
    },

    async delete(id, props) {
        const client = flyClient(props.endpoint);
        const progress = new Progress(`volume ${id}`);
        let bound: FlyError | undefined;
        const done = await poll(
            deadlineIn(UNBOUND_WITHIN_S),
            async () => {
                try {
                    await client.delete(["apps", props.app, "volumes", id]);
                    return true;
                } catch (error) {
                    if (isGone(error)) {
                        return true;
                    }
                    if (!isBound(error)) {
                        throw error;
                    }
                    if (await isInUse(client, props, id)) {
                        console.log(`volume ${id}: is in use by this stack again, so it is kept`);
                        return true;
                    }
                    bound = error;
                    progress.say(`waiting for its machine to let go (${error.text})`);
                    return undefined;
                }
            },
            [1000, 2000, 3000, 5000],
        );
        if (!done && (await getVolume(client, props.app, id))) {
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

/** An old volume may have been taken up again, when a replacement was called off half way. */
async function isInUse(client: FlyClient, props: VolumeInputs, id: string): Promise<boolean> {
    const found = await getVolume(client, props.app, id);
    const holder = found && (await holderOf(client, props.app, found));
    return (
        holder !== undefined &&
        holder.state === "started" &&
        props.owner !== undefined &&
        isOwnedBy(props.owner, holder.config)
    );
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
