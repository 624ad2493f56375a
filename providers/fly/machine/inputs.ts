/** Inputs and outputs of a machine. */
import type { PropertyRules } from "../../provider.ts";
import type { Owner } from "../ownership.ts";
import type { MachineConfig } from "../api/types.ts";

export interface MachineInputs {
    /** Base of the Machines API. A change is recorded in the state. */
    endpoint: string;
    /** A change replaces the machine. */
    app: string;
    /** Unique in the app; a leftover of a killed run is found by it. A change replaces the machine. */
    name: string;
    /** Region code, such as `lhr`. A change replaces the machine: it cannot leave its host, nor can its volume. */
    region: string;
    /** Written to the machine's metadata. A change is in place, without a restart. */
    owner: Owner;
    /**
     * Config in the API's format. A change replaces it as a whole and restarts the machine; a change of
     * `metadata` alone does not restart it. Another volume in `mounts` replaces the machine.
     */
    config: MachineConfig;
    /** Version of the app's secrets that the machine must have, or a newer one. A change restarts the machine. */
    secretsVersion?: number;
    /**
     * Newest version of the app's secrets, for a machine that takes changed secrets without a restart. A
     * machine that starts for another reason gets at least these. A change does nothing by itself. With this
     * property, a `secretsVersion` that a preview does not know is no change: only the machine can tell
     * whether it takes the new secrets (see `live` of `Secrets`). Where it does not, `up` restarts it and
     * says so.
     */
    newestSecretsVersion?: number;
    /** A change does nothing by itself. */
    timeouts?: MachineTimeouts;
    /**
     * Base of the API with machine logs, such as `https://api.fly.io`. A change does nothing by itself.
     * @default none: errors have no log lines
     */
    logsEndpoint?: string;
    /** ID of an existing machine to import and update. Read at create; a change does nothing. */
    importId?: string;
    /**
     * Name of the setting that protects the machine. While set, a delete fails before any request. A change
     * is recorded in the state.
     */
    protectedBy?: string;
}

/** Seconds for all waits of one operation together. */
export interface MachineTimeouts {
    /** @default 300 */
    readonly create?: number;
    /** Time for the new instance to become healthy; after it, the previous config is rolled back. @default 300 */
    readonly update?: number;
    /** @default 180 */
    readonly delete?: number;
}

export interface MachineOutputs extends MachineInputs {
    machineId: string;
    /** Changes with each version of the machine. */
    instanceId: string;
    version: string;
    state: string;
    privateIp: string;
    /** Digest of the running image, `sha256:…`. */
    imageDigest: string;
    /** Drift that no input expresses, such as `cordoned`; found by a refresh. */
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
