// core
import assert from "node:assert/strict";
import { afterExit } from "../../dev/fly/runtime/restarts.ts";

describe("restart policy", () => {
    const config = (restart?: { policy?: string; max_retries?: number }) => ({
        image: "x",
        ...(restart === undefined ? {} : { restart }),
    });
    const exit = (exitCode: number, oomKilled = false) => ({
        exitCode,
        oomKilled,
        finishedAt: "",
    });
    const now = 10_000_000;

    it("defaults to on-failure with ten retries", () => {
        assert.equal(afterExit(config(), exit(0), [], 1000, now).action, "stop");
        assert.equal(afterExit(config(), exit(1), [], 1000, now).action, "restart");
        const ten = Array.from({ length: 10 }, () => now - 1000);
        assert.equal(afterExit(config(), exit(1), ten, 1000, now).action, "stop");
        const old = ten.map((time) => time - 6 * 60_000);
        assert.equal(afterExit(config(), exit(1), old, 1000, now).action, "restart");
    });

    it("follows always, no, max_retries and auto_destroy", () => {
        const always = config({ policy: "always" });
        assert.equal(afterExit(always, exit(0), [], 1000, now).action, "restart");
        const no = config({ policy: "no" });
        assert.equal(afterExit(no, exit(1), [], 1000, now).action, "stop");
        const twice = config({ policy: "on-failure", max_retries: 2 });
        assert.equal(afterExit(twice, exit(1), [now, now], 1000, now).action, "stop");
        assert.equal(afterExit(twice, exit(0, true), [now], 1000, now).action, "restart");
        const once = { ...no, auto_destroy: true };
        assert.equal(afterExit(once, exit(0), [], 1000, now).action, "destroy");
    });

    it("backs off longer each time, and not at all the first time", () => {
        const always = config({ policy: "always" });
        const delays = [0, 1, 2, 3, 20].map((count) => {
            const next = afterExit(always, exit(1), Array<number>(count).fill(now), 1000, now);
            return next.action === "restart" ? next.delayMs : undefined;
        });
        assert.deepEqual(delays, [0, 1000, 2000, 4000, 30_000]);
    });
});
