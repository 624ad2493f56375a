import assert from "node:assert/strict";
import { failureOf, OK, ScriptedClient } from "./support/scriptedClient.ts";
import { startScriptedServer, type Answer } from "./support/scriptedServer.ts";

describe("Fly client: retry", () => {
    const on = new ScriptedClient();

    for (const method of ["get", "put", "delete"] as const) {
        for (const fault of [408, 429, 500, 502, 503, 504, "reset"] as const) {
            it(`retries ${method.toUpperCase()} after ${fault}`, async () => {
                const failure: Answer = fault === "reset" ? fault : { status: fault };
                const client = await on.serve((_call, nth) => (nth < 2 ? failure : OK));
                await client[method](["apps", "a"]);
                assert.equal(on.callsSeen, 3);
            });
        }
    }

    for (const fault of [408, 500, 502, 503, "reset", "half"] as const) {
        it(`does not retry POST after ${fault}, and says that it may have been done`, async () => {
            const client = await on.serve(() =>
                typeof fault === "string" ? fault : { status: fault },
            );
            const error = await failureOf(client.post(["apps"], { body: {} }));
            assert.equal(on.callsSeen, 1);
            assert.equal(error.ambiguous, true);
        });
    }

    it("retries POST after 429, which Fly has not executed", async () => {
        const client = await on.serve((_call, nth) => (nth < 1 ? { status: 429 } : OK));
        await client.post(["apps"], { body: {} });
        assert.equal(on.callsSeen, 2);
    });

    it("retries a POST that the caller declares safe", async () => {
        const client = await on.serve((_call, nth) => (nth < 1 ? "reset" : OK));
        await client.post(["apps", "a", "secrets"], { body: {}, safe: true });
        assert.equal(on.callsSeen, 2);
    });

    for (const method of ["get", "post", "put", "delete"] as const) {
        for (const status of [400, 401, 403, 404, 409, 412, 422, 501]) {
            it(`does not retry ${method.toUpperCase()} after ${status}`, async () => {
                const client = await on.serve(() => ({ status, body: { error: "no" } }));
                const error = await failureOf(client[method](["apps", "a"], { safe: true }));
                assert.equal(error.status, status);
                assert.equal(on.callsSeen, 1);
            });
        }
    }

    it("does not follow a redirect with the token", async () => {
        const other = await startScriptedServer(() => OK);
        try {
            const headers = { location: `${other.endpoint}/v1/apps/a` };
            const client = await on.serve(() => ({ status: 307, headers }), { retries: 0 });
            await failureOf(client.get(["apps", "a"]));
            assert.deepEqual(other.calls, []);
        } finally {
            await other.close();
        }
    });

    it("accepts a date in Retry-After", async () => {
        const slept: number[] = [];
        const clock = { now: () => 0, sleep: (ms: number) => Promise.resolve(slept.push(ms)) };
        const date = new Date(Date.now() + 30_000).toUTCString();
        const limited: Answer = { status: 503, headers: { "retry-after": date } };
        const client = await on.serve((_call, nth) => (nth === 0 ? limited : OK), { clock });
        await client.get(["apps", "a"]);
        assert.equal(slept.length, 1);
        assert.ok((slept[0] ?? 0) > 0 && (slept[0] ?? 0) <= 30_000, String(slept));
    });

    it("gives up after the set number", async () => {
        const client = await on.serve(() => ({ status: 503 }), { retries: 2 });
        await failureOf(client.get(["apps", "a"]));
        assert.equal(on.callsSeen, 3);
    });

    it("waits as long as Retry-After says", async () => {
        const slept: number[] = [];
        const clock = { now: () => 0, sleep: (ms: number) => Promise.resolve(slept.push(ms)) };
        const limited: Answer = { status: 429, headers: { "retry-after": "7" } };
        const client = await on.serve((_call, nth) => (nth === 0 ? limited : OK), { clock });
        await client.get(["apps", "a"]);
        assert.deepEqual(slept, [7000]);
    });

    it("does not wait for a Retry-After of more than a minute", async () => {
        const client = await on.serve(() => ({
            status: 429,
            headers: { "retry-after": "3600" },
        }));
        const error = await failureOf(client.get(["apps", "a"]));
        assert.equal(error.retryAfterMs, 3_600_000);
        assert.equal(on.callsSeen, 1);
    });

    it("returns a status that the caller handles", async () => {
        const client = await on.serve(() => ({ status: 408 }));
        await failureOf(client.get(["apps", "a"], { final: [408] }));
        assert.equal(on.callsSeen, 1);
    });

    it("retries a GET whose answer was truncated", async () => {
        const client = await on.serve((_call, nth) => (nth < 1 ? "half" : OK));
        assert.deepEqual(await client.get(["apps", "a"]), { ok: true });
    });

    it("waits out a 404 inside a new app, POST included", async () => {
        const notYet: Answer = { status: 404, body: { error: "app not found" } };
        const client = await on.serve((_call, nth) => (nth < 6 ? notYet : OK));
        client.appCreated("a");
        await client.post(["apps", "a", "volumes"], { body: {} });
        assert.equal(on.callsSeen, 7);
        await client.post(["apps", "a", "certificates", "acme"], { body: {} });
        assert.equal(on.callsSeen, 14);
    });

    it("does not wait out a 404 for other apps, single resources, or after deletion", async () => {
        const client = await on.serve(() => ({ status: 404 }));
        client.appCreated("a");
        await failureOf(client.get(["apps", "b", "volumes"]));
        await failureOf(client.get(["apps", "a", "volumes", "vol_1"]));
        client.appDeleted("a");
        await failureOf(client.get(["apps", "a", "volumes"]));
        assert.equal(on.callsSeen, 3);
    });
});
