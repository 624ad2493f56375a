interface Bucket {
    tokens: number;
    at: number;
}

/**
 * Fly's documented rate limits: one request a second per action and machine or app ID, with a burst of
 * three; reading one machine, five a second with a burst of ten.
 */
export class RateLimits {
    readonly #buckets = new Map<string, Bucket>();

    /**
     * Takes one request from the bucket.
     * @returns whether it is within the limit
     */
    take(action: string, id: string, now = Date.now()): boolean {
        const reading = action === "GET machine";
        const rate = reading ? 5 : 1;
        const burst = reading ? 10 : 3;
        const key = `${action} ${id}`;
        const bucket = this.#buckets.get(key) ?? { tokens: burst, at: now };
        bucket.tokens = Math.min(burst, bucket.tokens + ((now - bucket.at) / 1000) * rate);
        bucket.at = now;
        this.#buckets.set(key, bucket);
        if (bucket.tokens < 1) return false;
        bucket.tokens -= 1;
        return true;
    }
}
