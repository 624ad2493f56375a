import type { MachineConfig } from "../model/config.ts";
import { DEFAULT_RESTART } from "../model/config.ts";
import type { Exit } from "./containers.ts";

/** Window in which Fly counts restarts. */
const WINDOW_MS = 5 * 60_000;
const MAX_BACKOFF_MS = 30_000;

export type AfterExit =
    { action: "stop" } | { action: "destroy" } | { action: "restart"; delayMs: number };

/**
 * Decides what follows when a machine's main process exits by itself.
 * @param restarts times (ms) of earlier restarts by policy
 * @param backoffMs delay of the second restart, which doubles from there; the first has none
 */
export function afterExit(
    config: MachineConfig,
    exit: Exit,
    restarts: readonly number[],
    backoffMs: number,
    now = Date.now(),
): AfterExit {
    const recent = restarts.filter((time) => now - time < WINDOW_MS).length;
    const delayMs =
        recent === 0 ? 0 : Math.min(backoffMs * 2 ** Math.min(recent - 1, 10), MAX_BACKOFF_MS);
    const policy = config.restart?.policy ?? DEFAULT_RESTART.policy;
    const stop: AfterExit = { action: config.auto_destroy ? "destroy" : "stop" };
    if (policy === "no") return stop;
    if (policy === "always") return { action: "restart", delayMs };
    const failed = exit.exitCode !== 0 || exit.oomKilled;
    const allowed = config.restart?.max_retries ?? DEFAULT_RESTART.max_retries;
    return failed && recent < allowed ? { action: "restart", delayMs } : stop;
}

/** Scheduled restarts, one a machine. */
export class Restarts {
    readonly #timers = new Map<string, NodeJS.Timeout>();

    plan(id: string, delayMs: number, restart: () => void): void {
        const timer = setTimeout(() => {
            this.#timers.delete(id);
            restart();
        }, delayMs);
        this.#timers.set(id, timer);
    }

    cancel(id: string): void {
        clearTimeout(this.#timers.get(id));
        this.#timers.delete(id);
    }

    close(): void {
        for (const id of [...this.#timers.keys()]) this.cancel(id);
    }
}
