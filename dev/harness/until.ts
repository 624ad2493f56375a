import { setTimeout as sleep } from "node:timers/promises";

/**
 * Polls until a result is neither undefined nor false.
 *
 * @param what for the error
 * @returns that result
 * @throws Error on timeout, or at once what `look` throws
 */
export async function until<T>(
    what: string,
    look: () => Promise<T | false | undefined> | T | false | undefined,
    { withinMs = 30_000, everyMs = 50 } = {},
): Promise<T> {
    for (const end = Date.now() + withinMs; ; await sleep(everyMs)) {
        const seen = await look();
        if (seen !== undefined && seen !== false) return seen;
        if (Date.now() > end)
            throw new Error(`did not happen within ${withinMs / 1000} s: ${what}`);
    }
}
