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

/** What is named behind these is a thing of the app or machine, which has the rate. */
const ITEM = /(\/(?:metadata|ip_assignments|secrets|certificates))\/[^/]+$/;

/** A new app has no identifier yet that a rate could be for: it waits only after Fly refused one. */
const CREATE_APP = "POST /v1/apps";

/** Steps aside until the action may be done again. One of these per endpoint and process. */
export class RateLimiter {
    readonly #buckets = new Map<string, Bucket>();
    readonly #clock: Clock;

    constructor(clock: Clock = REAL_CLOCK) {
        this.#clock = clock;
    }

    /** @param request method and path, which names app and machine: "GET /v1/apps/a/machines" */
    async pass(request: string): Promise<void> {
        const action = request.replace(ITEM, "$1/*");
        if (action === CREATE_APP && !this.#buckets.has(action)) {
            return;
        }
        const { perSecond } = rateOf(action);
        // Negative: that many callers already wait for their turn.
        const tokens = this.#tokens(action) - 1;
        this.#buckets.set(action, { tokens, at: this.#clock.now() });
        if (tokens < 0) {
            await this.#clock.sleep((-tokens / perSecond) * 1000);
        }
    }

    /** Fly answered 429: someone else uses up the same rate, or it is lower than known here. */
    refused(request: string): void {
        const action = request.replace(ITEM, "$1/*");
        const tokens = Math.min(0, this.#tokens(action));
        this.#buckets.set(action, { tokens, at: this.#clock.now() });
    }

    #tokens(action: string): number {
        const { perSecond, burst } = rateOf(action);
        const bucket = this.#buckets.get(action);
        const since = bucket ? (this.#clock.now() - bucket.at) / 1000 : 0;
        return Math.min(burst, (bucket?.tokens ?? burst) + since * perSecond);
    }
}

function rateOf(action: string): { perSecond: number; burst: number } {
    return READ_MACHINE.test(action) ? { perSecond: 5, burst: 10 } : { perSecond: 1, burst: 3 };
}
