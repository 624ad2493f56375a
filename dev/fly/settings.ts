import { own } from "./model/own.ts";

/** What can be switched while the server runs (`PUT /_local/settings`). */
export interface Settings {
    /** Reads answer with the state of this many milliseconds ago. 0: always the newest. */
    consistencyLagMs: number;
    /** Fly's documented limits: 1 request/s per action and id (burst 3); reads of a machine 5/s. */
    rateLimit: boolean;
    /** How long a volume still counts as bound after its machine is gone (Fly: up to 2 minutes). */
    volumeReleaseMs: number;
    /** How long an app's deletion takes after it was accepted. */
    appDeleteMs: number;
    /** Delay of the second restart by policy; it doubles from there up to 30 s. */
    restartBackoffMs: number;
    /** The longest that a lease lasts, in seconds, whatever is asked for; 0: as asked. */
    leaseMaxS: number;
    /** Whether a restarted machine has the app's secrets of now, or those of its last create or update. */
    secretsOnRestart: "fresh" | "pinned";
    /** Whether waiting for `stopped` takes a version: Fly's document says no, one live report says 400. */
    stoppedNeedsVersion: boolean;
}

/**
 * Fly's documents and most reports say pinned; some say that a restart brings new secrets. A program should be
 * right under both, so tests may choose for every server that they start.
 */
const SECRETS_ON_RESTART =
    process.env.LOCAL_FLY_SECRETS_ON_RESTART === "fresh" ? "fresh" : "pinned";

export const DEFAULT_SETTINGS: Settings = {
    consistencyLagMs: 0,
    rateLimit: false,
    volumeReleaseMs: 1000,
    appDeleteMs: 300,
    restartBackoffMs: 1000,
    leaseMaxS: 0,
    secretsOnRestart: SECRETS_ON_RESTART,
    stoppedNeedsVersion: false,
};

/** Takes over what `changes` names. @throws when a name or a value is not one of the above. */
export function changeSettings(settings: Settings, changes: Record<string, unknown>): void {
    for (const [name, value] of Object.entries(changes)) {
        const current = own<unknown>({ ...settings }, name);
        const allowed =
            name === "secretsOnRestart"
                ? value === "fresh" || value === "pinned"
                : typeof value === typeof current &&
                  (typeof value !== "number" || (Number.isFinite(value) && value >= 0));
        if (current === undefined || !allowed) {
            throw new Error(`setting ${name} does not exist or does not take ${String(value)}`);
        }
        Object.assign(settings, { [name]: value });
    }
}
