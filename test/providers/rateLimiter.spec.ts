import assert from "node:assert/strict";
import { RateLimiter } from "../../providers/fly/api/rateLimits.ts";

describe("rate limiter", () => {
    /** Time passes only while something sleeps; sleepers of the same moment sleep together. */
    function fakeClock() {
        const slept: number[] = [];
        return { now: () => 0, sleep: (ms: number) => Promise.resolve(slept.push(ms)), slept };
    }

    async function pausesOf(actions: readonly string[]): Promise<number[]> {
        const clock = fakeClock();
        const limiter = new RateLimiter(clock);
        for (const action of actions) {
            await limiter.pass(action);
        }
        return clock.slept;
    }

    function times(count: number, action: string): string[] {
        return Array.from({ length: count }, () => action);
    }

    it("lets a burst of 3 pass, then one a second", async () => {
        assert.deepEqual(await pausesOf(times(6, "POST /v1/apps/a/machines")), [1000, 2000, 3000]);
    });

    it("lets a machine be read 10 times, then 5 times a second", async () => {
        assert.deepEqual(await pausesOf(times(12, "GET /v1/apps/a/machines/m")), [200, 400]);
    });

    it("limits each action, app and machine separately", async () => {
        const actions = ["a", "b"].flatMap((app) => [
            ...times(3, `POST /v1/apps/${app}/volumes`),
            ...times(3, `GET /v1/apps/${app}/volumes`),
        ]);
        assert.deepEqual(await pausesOf(actions), []);
    });

    it("limits requests for a machine's metadata or an app's addresses together", async () => {
        for (const [method, path] of [
            ["POST", "/v1/apps/a/machines/m/metadata"],
            ["DELETE", "/v1/apps/a/ip_assignments"],
        ] as const) {
            const actions = ["1", "2", "3", "4"].map((name) => `${method} ${path}/${name}`);
            assert.deepEqual(await pausesOf(actions), [1000]);
        }
    });

    it("lets apps be created at once, and after a refusal one a second", async () => {
        const clock = fakeClock();
        const limiter = new RateLimiter(clock);
        for (const action of times(5, "POST /v1/apps")) {
            await limiter.pass(action);
        }
        assert.deepEqual(clock.slept, []);
        for (const action of times(2, "POST /v1/apps")) {
            limiter.refused(action);
            await limiter.pass(action);
        }
        assert.deepEqual(clock.slept, [1000, 2000]);
    });

    it("is empty when Fly refuses, and callers in the queue keep waiting", async () => {
        const clock = fakeClock();
        const limiter = new RateLimiter(clock);
        limiter.refused("POST /v1/apps/a/machines");
        for (const action of times(2, "POST /v1/apps/a/machines")) {
            await limiter.pass(action);
        }
        limiter.refused("POST /v1/apps/a/machines");
        await limiter.pass("POST /v1/apps/a/machines");
        assert.deepEqual(clock.slept, [1000, 2000, 3000]);
    });

    it("refills with time, up to the burst", async () => {
        let now = 0;
        const slept: number[] = [];
        const limiter = new RateLimiter({
            now: () => now,
            sleep: (ms) => Promise.resolve(slept.push(ms)),
        });
        for (now of [0, 0, 0, 60_000, 60_000, 60_000, 60_000]) {
            await limiter.pass("POST /v1/apps/a/machines");
        }
        assert.deepEqual(slept, [1000]);
    });
});
