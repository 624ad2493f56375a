/** What a program says of an app's secrets, and what the state has of them. */
import type { PropertyRules } from "../provider.ts";
import type { LiveInputs } from "./live.ts";

export interface SecretsInputs {
    /** A change is recorded: the secrets are set there. */
    endpoint: string;
    /** A change replaces the secrets. */
    app: string;
    /**
     * Name → value. Secret. New and changed ones are set, those left out are removed, all in one
     * request; a machine has them once it is updated (`secretsVersion`), or at once (`live`). The
     * app's other secrets are left alone.
     */
    values: Record<string, string>;
    /**
     * How a running machine takes changed values without a restart. Where it refuses them, nothing is
     * changed and the update fails. A change does nothing by itself.
     */
    live?: LiveInputs;
}

/** The values themselves are not among the outputs; a keyed hash of each tells whether it changed. */
export interface SecretsOutputs {
    endpoint: string;
    app: string;
    live?: LiveInputs;
    /** Of the app's secrets; grows with every change. */
    version: number;
    /**
     * For a machine's `secretsVersion`: the version that a running machine must have been started
     * with, or a newer one. It stays where the running machine has taken a change, and else is `version`.
     */
    restartVersion: number;
    /** Name → Fly's digest. */
    digests: Record<string, string>;
    /** Secret. Name → HMAC-SHA256 of the value under `salt`. */
    fingerprints: Record<string, string>;
    /** Secret. Base64. */
    salt: string;
}

export const SECRETS_RULES: PropertyRules<SecretsInputs> = {
    endpoint: { effect: "update" },
    app: { effect: "replace" },
    // Compared by fingerprint, in `diff`.
    values: { effect: "none" },
    live: { effect: "none", optional: true },
};
