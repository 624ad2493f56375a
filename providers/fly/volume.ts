/** A volume: a disk on one host, for one machine at a time, which can only grow. */
import {
    diffProperties,
    failuresOf,
    isUnknown,
    PartialFailure,
    toState,
    type PropertyRules,
    type Provider,
    type WithProvider,
} from "../provider.ts";
import { flyClient, type FlyClient } from "./client.ts";
import { FlyError, isAmbiguous, isGone } from "./errors.ts";
import { restartMachine } from "./machine-power.ts";
import { importProblem, isOwnedBy, type Owner } from "./ownership.ts";
import { volumeNameProblem, volumeSizeProblem } from "./rules.ts";
import { configure } from "./token.ts";
import type { WireVolume } from "./types.ts";
import { getVolume, holderOf } from "./volume-find.ts";
import { ensureVolume } from "./volume-make.ts";
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

/** One that is made from a snapshot is restored first. */
const READY_WITHIN_S = 900;
const EXTENDED_WITHIN_S = 60;

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

function shrinkProblem(olds: Partial<VolumeInputs>, news: VolumeInputs): string | undefined {
    const [was, wanted] = [olds.sizeGb, news.sizeGb];
    if (typeof was !== "number" || isUnknown(wanted) || isUnknown(was) || wanted >= was) {
        return undefined;
    }
    const replaced = changesOf(olds, news).length > 0;
    return replaced && news.onReplace !== "restore"
        ? undefined
        : `${wanted} GB: the volume has ${was} GB, and Fly cannot shrink one; keep ${was} or more`;
}

/** Of what replaces the volume; unknown values are not among them. */
function changesOf(olds: Partial<VolumeInputs>, news: VolumeInputs) {
    const keys = ["app", "name", "region"] as const;
    return keys.filter(
        (key) => olds[key] !== undefined && !isUnknown(news[key]) && olds[key] !== news[key],
    );
}

function replacementProblem(olds: Partial<VolumeInputs>, news: VolumeInputs): string | undefined {
    const fate = news.onReplace ?? "refuse";
    const [key] = changesOf(olds, news);
    if (key === undefined || isUnknown(fate) || fate === "discard") {
        return undefined;
    }
    if (fate === "restore" && key === "region") {
        return undefined;
    }
    const change = `${key} "${olds[key]}" → "${news[key]}" replaces the volume`;
    return key === "region"
        ? `${change}: say what happens to its data, "restore" (it is moved) or "discard"`
        : `${change}, and its data does not go along: take a snapshot and say "discard", ` +
              "with the snapshot to make the new volume from";
}

function retentionProblem(days: number | undefined): string | undefined {
    return days === undefined ||
        isUnknown(days) ||
        (Number.isInteger(days) && days >= 1 && days <= 60)
        ? undefined
        : `${days} days: snapshots are kept for 1 to 60`;
}

function isBound(error: unknown): error is FlyError {
    return (
        error instanceof FlyError &&
        (error.status === 412 || error.status === 409) &&
        /bound to machine|claimed by machine|in use|attached/i.test(error.text)
    );
}

async function waitUntilReady(
    client: FlyClient,
    app: string,
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

/** Brings size and snapshots to what is wanted; each step only where it is needed. */
async function sync(
    client: FlyClient,
    inputs: VolumeInputs,
    found: WireVolume,
): Promise<WireVolume> {
    const path = ["apps", inputs.app, "volumes", found.id];
    let current = found;
    if (inputs.sizeGb < found.size_gb) {
        throw new Error(
            `Volume ${found.id} has ${found.size_gb} GB; ${inputs.sizeGb} GB are wanted, ` +
                "and Fly cannot shrink a volume.",
        );
    }
    if (inputs.sizeGb > found.size_gb) {
        const extended = await extend(client, inputs, path);
        current = { ...current, ...extended.volume, size_gb: inputs.sizeGb };
        if (extended.needs_restart) {
            await restartHolder(client, inputs, current);
        }
    }
    const snapshots = toState({
        snapshot_retention: changed(inputs.snapshotRetentionDays, found.snapshot_retention),
        auto_backup_enabled: changed(inputs.autoBackup, found.auto_backup_enabled),
    });
    if (Object.keys(snapshots).length > 0) {
        const updated = await client.put<WireVolume>(path, { body: snapshots });
        current = { ...current, ...updated };
    }
    return current;
}

interface Extended {
    readonly volume?: WireVolume;
    readonly needs_restart?: boolean;
}

/** Asked a second time, Fly would say that nothing has to be restarted. */
async function extend(
    client: FlyClient,
    { sizeGb }: VolumeInputs,
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

async function restartHolder(
    client: FlyClient,
    { app, owner }: VolumeInputs,
    { attached_machine_id: id }: WireVolume,
): Promise<void> {
    if (id) {
        await restartMachine(client, app, id, owner);
    }
}

function changed<T>(wanted: T | undefined, found: T | null | undefined): T | undefined {
    return wanted === found ? undefined : wanted;
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
