/**
 * Fly's documented rate: 1 request/s for an action on a machine or app, with a burst of 3; reading
 * one machine 5/s, burst 10. Kept on this side, so that 429 stays the exception.
 */
import { REAL_CLOCK, type Clock } from "./wait.ts";

interface Bucket {
    tokens: number;
    at: number;
}

const READ_MACHINE = /^GET \/v1\/apps\/[^/]+\/machines\/[^/]+$/;

/** Steps aside until the action may be done again. One of these per endpoint and process. */
export class RateLimiter {
    readonly #buckets = new Map<string, Bucket>();
    readonly #clock: Clock;

    constructor(clock: Clock = REAL_CLOCK) {
        this.#clock = clock;
    }

    /** @param action method and path, which names app and machine: "GET /v1/apps/a/machines" */
    async pass(action: string): Promise<void> {
        const [perSecond, burst] = READ_MACHINE.test(action) ? [5, 10] : [1, 3];
        const now = this.#clock.now();
        const bucket = this.#buckets.get(action) ?? { tokens: burst, at: now };
        const filled = Math.min(burst, bucket.tokens + ((now - bucket.at) / 1000) * perSecond);
        // Negative: that many callers already wait for their turn.
        const tokens = filled - 1;
        this.#buckets.set(action, { tokens, at: now });
        if (tokens < 0) {
            await this.#clock.sleep((-tokens / perSecond) * 1000);
        }
    }
}
