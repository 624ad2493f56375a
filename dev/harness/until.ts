import { setTimeout as sleep } from "node:timers/promises";

/**
 * Looks until there is something to see: neither undefined nor false.
 *
 * @param what for the error
 * @returns what was seen
 * @throws Error when the time is over, or what `look` throws, at once
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
