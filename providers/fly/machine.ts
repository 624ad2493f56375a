/** A machine, made, kept and waited for until its health checks pass. */
import {
    diffProperties,
    failuresOf,
    inputsOf,
    isUnknown,
    PartialFailure,
    sameValue,
    toState,
    type PropertyRules,
    type Provider,
    type WithProvider,
} from "../provider.ts";
import { flyClient } from "./client.ts";
import { configDifferences, withoutFlysOwn } from "./config-diff.ts";
import { convergeMachine, UpdateFailed } from "./machine-converge.ts";
import { differencesFrom, effectiveConfig, splitMetadata, unsaid } from "./machine-config.ts";
import { createMachine } from "./machine-create.ts";
import { getMachine, removeMachine } from "./machine-power.ts";
import { importProblem, type Owner } from "./ownership.ts";
import { guestProblems } from "./rules.ts";
import { configure } from "./token.ts";
import type { MachineConfig, WireMachine } from "./types.ts";
import { deadlineIn } from "./wait.ts";

export interface MachineInputs {
    /** A change is recorded. */
    endpoint: string;
    /** A change replaces the machine. */
    app: string;
    /** Unique in the app, and how a leftover is found. A change replaces the machine. */
    name: string;
    /** A change replaces the machine: it stays on its host, as its volume does. */
    region: string;
    /** Whose it is, in its metadata. Changed in place, without a restart. */
    owner: Owner;
    /**
     * As the API takes it. Replaced as a whole, which restarts the machine; metadata alone are
     * changed without a restart. Another volume in `mounts` replaces the machine.
     */
    config: MachineConfig;
    /** Of the app's secrets. A change restarts the machine, which then has them, or newer ones. */
    secretsVersion?: number;
    /**
     * Of the app's secrets as they are now, where a running machine can take a change of them without a
     * restart: a machine that is started or updated for another reason gets no older ones. A change
     * does nothing by itself. With it a `secretsVersion` that a preview does not know yet is no change:
     * only the machine can tell whether it takes the new secrets (see `live` of `Secrets`). Where it
     * does not, `up` restarts it all the same, and says so.
     */
    newestSecretsVersion?: number;
    /** Seconds. A change does nothing by itself. */
    timeouts?: MachineTimeouts;
    /**
     * Base of the API with the machines' log, such as https://api.fly.io. Left out: an error has no
     * log lines. A change does nothing by itself.
     */
    logsEndpoint?: string;
    /** An existing machine, brought to the wanted state instead of making one. A later change does nothing. */
    importId?: string;
}

/** Seconds, for all waits of one operation together. */
export interface MachineTimeouts {
    /** @default 300 */
    readonly create?: number;
    /** Until the new instance is healthy; then the previous configuration is restored. @default 300 */
    readonly update?: number;
    /** @default 180 */
    readonly delete?: number;
}

export interface MachineOutputs extends MachineInputs {
    machineId: string;
    /** New with each version of the machine. */
    instanceId: string;
    version: string;
    state: string;
    privateIp: string;
    /** `sha256:…` of the image that runs. */
    imageDigest: string;
    /** Seen by `read`: what someone changed that no input says, such as `cordoned`. */
    drift?: string[];
}

export const MACHINE_RULES: PropertyRules<MachineInputs> = {
    endpoint: { effect: "update" },
    app: { effect: "replace" },
    name: { effect: "replace" },
    region: { effect: "replace" },
    owner: { effect: "update" },
    // Compared by meaning, in `diff`.
    config: { effect: "none" },
    secretsVersion: { effect: "update", optional: true },
    newestSecretsVersion: { effect: "none", optional: true },
    timeouts: { effect: "none" },
    logsEndpoint: { effect: "none", optional: true },
    importId: { effect: "none", optional: true },
};

const TIMEOUTS_S = { create: 300, update: 300, delete: 180 };

/** A stopped machine is as wanted only where the proxy may stop it. */
const RUNNING = new Set(["started", "starting", "created", "updating", "replacing", "restarting"]);

export const machine: Provider<MachineInputs, MachineOutputs> = {
    configure,

    check(olds, news) {
        const guest = isUnknown(news.config) ? undefined : news.config.guest;
        const problems = !guest || isUnknown(guest) ? [] : guestProblems(guest);
        const replaced = isReplaced(olds, news);
        const failures = failuresOf([
            ["importId", importProblem(olds, news, replaced)],
            ["name", news.name ? undefined : "a machine needs a name"],
            ["region", news.region ? undefined : "a machine needs a region"],
            ["config.image", imageProblem(news.config)],
            ...problems.map((problem) => ["config.guest", problem] as const),
        ]);
        return Promise.resolve({ inputs: news, failures });
    },

    diff(_id, olds, news) {
        const { changed: all, replaces } = diffProperties<MachineInputs>(olds, news, MACHINE_RULES);
        const mayBeLive = isUnknown(news.secretsVersion) && news.newestSecretsVersion !== undefined;
        const changed = all.filter((key) => !(key === "secretsVersion" && mayBeLive));
        const configChanged =
            isUnknown(news.config) || configDifferences(news.config, olds.config).length > 0;
        const otherVolume = !isUnknown(news.config) && mountsOtherVolume(olds.config, news.config);
        const stopped = !RUNNING.has(olds.state) && !mayStop(news.config);
        const drifted = (olds.drift ?? []).length > 0;
        return Promise.resolve({
            changes: changed.length > 0 || configChanged || stopped || drifted,
            replaces: otherVolume ? [...replaces, "config"] : replaces,
            // Its name is unique in the app, and its volume takes one machine at a time.
            deleteBeforeReplace: !replaces.includes("app"),
        });
    },

    async create(inputs) {
        const client = flyClient(inputs.endpoint);
        const deadline = deadlineIn(inputs.timeouts?.create ?? TIMEOUTS_S.create);
        let known: WireMachine | undefined;
        try {
            const made = await createMachine(client, inputs, deadline, (found) => (known = found));
            return { id: made.id, outs: toOutputs(inputs, made) };
        } catch (error) {
            if (!known) {
                throw error;
            }
            const machine = error instanceof UpdateFailed ? error.machine : undefined;
            throw new PartialFailure(known.id, toOutputs(inputs, machine ?? known), error);
        }
    },

    async read(id, props) {
        if (!props) {
            throw new Error("A machine's state has no properties: it cannot be read.");
        }
        const found = await getMachine(flyClient(props.endpoint), props.app, id);
        if (!found) {
            return {};
        }
        const inputs = inputsFrom(props, found);
        const drift = unsaid(inputs, found);
        return {
            id,
            props: { ...toOutputs(inputs, found), ...(drift.length > 0 && { drift }) },
            inputs: toState(inputs) as MachineOutputs,
        };
    },

    async update(id, olds, news) {
        const client = flyClient(news.endpoint);
        const observed = await getMachine(client, news.app, id);
        if (!observed) {
            throw new Error(
                `Machine ${id} of app "${news.app}" is not at ${news.endpoint}.\n` +
                    "  If someone destroyed it, run `pulumi up --refresh`.",
            );
        }
        const deadline = deadlineIn(news.timeouts?.update ?? TIMEOUTS_S.update);
        try {
            return {
                outs: toOutputs(news, await convergeMachine(client, news, observed, deadline)),
            };
        } catch (error) {
            if (!(error instanceof UpdateFailed) || !error.machine) {
                throw error;
            }
            // The state says what runs, so that the next `up` tries again.
            const actual = inputsFrom({ ...olds, endpoint: news.endpoint }, error.machine);
            const properties: WithProvider<object> = {
                ...toOutputs(actual, error.machine),
                ...providerOf(news),
            };
            throw new PartialFailure(id, properties, error);
        }
    },

    async delete(id, props) {
        const deadline = deadlineIn(props.timeouts?.delete ?? TIMEOUTS_S.delete);
        await removeMachine(flyClient(props.endpoint), props.app, id, deadline);
    },
};

function providerOf(inputs: WithProvider<object>): WithProvider<object> {
    return inputs.__provider === undefined ? {} : { __provider: inputs.__provider };
}

function imageProblem(config: MachineConfig): string | undefined {
    return isUnknown(config) || config.image ? undefined : "a machine needs an image";
}

/** As far as inputs alone tell. */
function isReplaced(olds: Partial<MachineInputs>, news: MachineInputs): boolean {
    const keys = ["app", "name", "region"] as const;
    const moved = keys.some(
        (key) => olds[key] !== undefined && !isUnknown(news[key]) && olds[key] !== news[key],
    );
    const { config } = olds;
    return (
        moved ||
        (config && !isUnknown(news.config) ? mountsOtherVolume(config, news.config) : false)
    );
}

function mountsOtherVolume(olds: MachineConfig, news: MachineConfig): boolean {
    const mounts: readonly { volume: string }[] = news.mounts ?? [];
    if (isUnknown(mounts) || mounts.some((mount) => isUnknown(mount) || isUnknown(mount.volume))) {
        return false;
    }
    const volumes = (config: MachineConfig) => (config.mounts ?? []).map(({ volume }) => volume);
    return !sameValue(volumes(olds), volumes(news));
}

/** Whether a stopped machine may be the proxy's doing. */
function mayStop(config: MachineConfig): boolean {
    return (
        !isUnknown(config) &&
        Array.isArray(config.services) &&
        config.services.some(
            ({ autostop }) => autostop !== undefined && autostop !== "off" && autostop !== false,
        )
    );
}

const NOBODY: Owner = { project: "", stack: "" };

/** The inputs that would have made what is there: the state's, where they mean the same. */
function inputsFrom(props: MachineOutputs, found: WireMachine): WithProvider<MachineInputs> {
    // An older version's state may not say whose it is; the machine does.
    const { owner: said = NOBODY }: Partial<MachineInputs> = props;
    const inputs = { ...inputsOf<MachineInputs>(props, MACHINE_RULES), owner: said };
    // Without its host, Fly knows only part of the config: nothing to compare.
    if (!found.config) {
        return inputs;
    }
    if (differencesFrom(effectiveConfig(inputs), found.config).length === 0) {
        return inputs;
    }
    const { metadata, owner, secretsVersion: has = 0 } = splitMetadata(found.config, inputs.config);
    const { secretsVersion } = inputs;
    const config = sameButMetadata(inputs.config, found.config)
        ? inputs.config
        : withoutFlysOwn(found.config, inputs.config);
    return {
        ...inputs,
        owner,
        ...(secretsVersion !== undefined && { secretsVersion: Math.min(secretsVersion, has) }),
        config: {
            ...config,
            metadata: Object.keys(metadata).length > 0 ? metadata : undefined,
        } as MachineConfig,
    };
}

function sameButMetadata(a: MachineConfig, b: MachineConfig): boolean {
    return configDifferences({ ...a, metadata: {} }, { ...b, metadata: {} }).length === 0;
}

function toOutputs(inputs: WithProvider<MachineInputs>, found: WireMachine): MachineOutputs {
    const instanceId = found.instance_id ?? "";
    return toState({
        ...inputs,
        machineId: found.id,
        instanceId,
        version: String(found.version ?? instanceId),
        state: found.state,
        privateIp: found.private_ip ?? "",
        imageDigest:
            found.image_ref?.digest ?? digestOf(found.config?.image ?? inputs.config.image),
    });
}

function digestOf(image: string): string {
    return /sha256:[0-9a-f]{64}/.exec(image)?.[0] ?? "";
}
