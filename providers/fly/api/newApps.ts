/** Remembers apps created a moment ago, which Fly does not know everywhere yet. */
import type { FlyError } from "./errors.ts";

/** Fly takes up to a minute to propagate a new app: fly-go retries a 404 for that long. */
const NEW_APP_MS = 60_000;
export const NEW_APP_RETRIES = 12;

/** Paths of an app's collections, as opposed to one machine or volume in it. */
const APP_COLLECTION =
    /^\/v1\/apps\/([^/]+)\/(?:machines|volumes|ip_assignments|secrets|certificates\/acme)$/;

export class NewApps {
    /** End of each app's grace period, by `performance.now()`. */
    readonly #until = new Map<string, number>();

    readonly #made = new Set<string>();

    /** Records an app that this process created, so that nothing was in it before. */
    made(app: string): void {
        this.#made.add(app);
        this.created(app);
    }

    wasMade(app: string): boolean {
        return this.#made.has(app);
    }

    created(app: string): void {
        this.#until.set(encodeURIComponent(app), performance.now() + NEW_APP_MS);
    }

    deleted(app: string): void {
        this.#until.delete(encodeURIComponent(app));
        this.#made.delete(app);
    }

    /** Tells whether a new app explains the error: 404, 401 or a database's "no rows". */
    explain(error: FlyError, path: string): boolean {
        const app = APP_COLLECTION.exec(path)?.[1];
        const until = app === undefined ? undefined : this.#until.get(app);
        return (
            until !== undefined &&
            performance.now() < until &&
            (error.status === 404 || error.status === 401 || /sql: no rows/.test(error.text))
        );
    }
}
