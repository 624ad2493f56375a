/** What a program says of a machine, and what the state has of it. */
import type { PropertyRules } from "../../provider.ts";
import type { Owner } from "../ownership.ts";
import type { MachineConfig } from "../api/types.ts";

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
    /**
     * The setting that protects it. While there is one, its deletion fails before any request. A
     * change is recorded.
     */
    protectedBy?: string;
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
    protectedBy: { effect: "update" },
};
