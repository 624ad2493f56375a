/** Apps that were made a moment ago. */
import type { FlyError } from "./errors.ts";

/** A new app is not known everywhere at once: fly-go waits out 404 for up to a minute. */
const NEW_APP_MS = 60_000;
export const NEW_APP_RETRIES = 12;

/** What is asked of a whole app, as opposed to one machine or volume in it. */
const APP_COLLECTION =
    /^\/v1\/apps\/([^/]+)\/(?:machines|volumes|ip_assignments|secrets|certificates\/acme)$/;

export class NewApps {
    /** Until when, as `performance.now()` tells time. */
    readonly #until = new Map<string, number>();

    readonly #made = new Set<string>();

    /** Made by this process, so that nothing was in it before. */
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

    /** Whether one of them is why: 404, 401 or a database's "no rows". */
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
