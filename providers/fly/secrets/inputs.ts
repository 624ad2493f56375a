/** Inputs and outputs of `Secrets`: files that app secrets carry to a machine. */
import type { PropertyRules } from "../../provider.ts";
import type { LiveInputs } from "./live.ts";

export interface SecretsInputs {
    /** Base of the Machines API. A change sets the secrets there. */
    endpoint: string;
    /** A change replaces the secrets. */
    app: string;
    /** Secret. Name → text, in lines. A change of any file sets all secrets in one request. */
    files: Record<string, string>;
    /**
     * Names of the app secrets that carry the files, as parts of one bundle. A change sets them again, and removes
     * those no longer listed once no machine names them. Other secrets of the app are left alone.
     */
    names: string[];
    /**
     * How a running machine takes changed files without a restart. Where it refuses them, the update fails and
     * nothing is changed. A change of this property does nothing by itself. @default a change restarts the machine
     */
    live?: LiveInputs;
}

/** Outputs. Instead of the files, they have a keyed hash of each, which tells whether it changed. */
export interface SecretsOutputs {
    endpoint: string;
    app: string;
    names: string[];
    live?: LiveInputs;
    /** Version of the app's secrets; grows with every change. */
    version: number;
    /**
     * Input for a machine's `secretsVersion`: the oldest version that a running machine may have been updated with.
     * It stays where the running machine took a change live; otherwise it is `version`.
     */
    restartVersion: number;
    /** Number of the bundle; grows with every change. */
    number: number;
    /** Digest of the files, as a machine reports it. */
    digest: string;
    /** Secret's name → Fly's digest. */
    digests: Record<string, string>;
    /** Secret. File's name → HMAC-SHA256 of its text under `salt`. */
    fingerprints: Record<string, string>;
    /** Secret. Key of the fingerprints, in base64. */
    salt: string;
}

export const SECRETS_RULES: PropertyRules<SecretsInputs> = {
    endpoint: { effect: "update" },
    app: { effect: "replace" },
    // Compared by fingerprint, in `diff`.
    files: { effect: "none" },
    names: { effect: "update" },
    live: { effect: "none", optional: true },
};
