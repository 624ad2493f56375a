/**
 * Throttles requests to Fly's documented rates, so that a 429 stays the exception: 1/s with a burst of 3 for
 * each action on a machine or app; 5/s with a burst of 10 for reading one machine.
 */
import { REAL_CLOCK, type Clock } from "./wait.ts";

interface Bucket {
    tokens: number;
    at: number;
}

const READ_MACHINE = /^GET \/v1\/apps\/[^/]+\/machines\/[^/]+$/;

/** Items below these share their parent's rate limit. */
const ITEM = /(\/(?:metadata|ip_assignments|secrets|certificates))\/[^/]+$/;

/** Creating an app is not throttled until Fly refuses one: there is no app yet that a rate could apply to. */
const CREATE_APP = "POST /v1/apps";

/** Delays each action until its rate allows it. One per endpoint and process. */
export class RateLimiter {
    readonly #buckets = new Map<string, Bucket>();
    readonly #clock: Clock;

    constructor(clock: Clock = REAL_CLOCK) {
        this.#clock = clock;
    }

    /** Waits for the request's turn. @param request method and path: "GET /v1/apps/a/machines" */
    async pass(request: string): Promise<void> {
        const action = request.replace(ITEM, "$1/*");
        if (action === CREATE_APP && !this.#buckets.has(action)) {
            return;
        }
        const { perSecond } = rateOf(action);
        // A negative number counts the callers that wait.
        const tokens = this.#tokens(action) - 1;
        this.#buckets.set(action, { tokens, at: this.#clock.now() });
        if (tokens < 0) {
            await this.#clock.sleep((-tokens / perSecond) * 1000);
        }
    }

    /** Empties the bucket after a 429: someone else uses the same rate, or it is lower than documented. */
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
