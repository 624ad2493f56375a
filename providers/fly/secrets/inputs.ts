/** Inputs and outputs of files that a machine gets by its app's secrets. */
import type { PropertyRules } from "../../provider.ts";
import type { LiveInputs } from "./live.ts";

export interface SecretsInputs {
    /** A change is recorded: the secrets are set there. */
    endpoint: string;
    /** A change replaces the secrets. */
    app: string;
    /** Name → text, in lines. Secret. A change of any sets all secrets anew, in one request. */
    files: Record<string, string>;
    /**
     * Names of the app's secrets that carry the files, as one bundle in parts. A change sets them anew; those
     * that are no longer named are removed once no machine names them. The app's other secrets are left alone.
     */
    names: string[];
    /**
     * How a running machine takes changed files without a restart. Where it refuses them, nothing is
     * changed and the update fails. A change does nothing by itself.
     */
    live?: LiveInputs;
}

/** The files are not among the outputs; a keyed hash of each tells whether it changed. */
export interface SecretsOutputs {
    endpoint: string;
    app: string;
    names: string[];
    live?: LiveInputs;
    /** Of the app's secrets; grows with every change. */
    version: number;
    /**
     * For a machine's `secretsVersion`: the version that a running machine must have been updated
     * with, or a newer one. It stays where the running machine has taken a change, and else is `version`.
     */
    restartVersion: number;
    /** Of the bundle; grows with every change. */
    number: number;
    /** Of the files, as a machine tells it of those that it has. */
    digest: string;
    /** Secret's name → Fly's digest. */
    digests: Record<string, string>;
    /** Secret. File's name → HMAC-SHA256 of its text under `salt`. */
    fingerprints: Record<string, string>;
    /** Secret. Base64. */
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
