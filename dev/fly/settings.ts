import { own } from "./model/own.ts";

/** Settings that can be changed while the server runs (`PUT /_local/settings`). */
export interface Settings {
    /** Age in milliseconds of the state that reads return. 0 means current. */
    consistencyLagMs: number;
    /**
     * Whether to enforce Fly's documented limits: 1 request/s per action and ID (burst 3); reads of a
     * machine 5/s.
     */
    rateLimit: boolean;
    /** How long (ms) a volume stays bound after its machine is gone (Fly: up to 2 minutes). */
    volumeReleaseMs: number;
    /** How long (ms) an app's deletion takes after it was accepted. */
    appDeleteMs: number;
    /** Delay (ms) of the second restart by policy; doubles from there up to 30 s. */
    restartBackoffMs: number;
    /** Longest lease in seconds, whatever is requested; 0 means as requested. */
    leaseMaxS: number;
    /**
     * Whether a restarted machine gets the app's current secrets, or those of its last create or
     * update.
     */
    secretsOnRestart: "fresh" | "pinned";
    /** Whether waiting for `stopped` needs a version. Fly's docs say no; one live report saw a 400. */
    stoppedNeedsVersion: boolean;
}

/**
 * Default of `secretsOnRestart`. Fly's docs and most reports say pinned; some say that a restart
 * applies new secrets. A program should work with both, so tests can choose for every server they
 * start.
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

/**
 * Applies `changes`.
 * @throws Error for an unknown name or a wrong value
 */
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
