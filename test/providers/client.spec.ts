import assert from "node:assert/strict";
import { FlyClient, type ClientOptions } from "../../providers/fly/client.ts";
import { FlyError } from "../../providers/fly/errors.ts";
import { RateLimiter } from "../../providers/fly/limits.ts";
import { startScriptedServer, type Answer, type ScriptedServer } from "./support/scriptedServer.ts";

const TOKEN = "fo1_not-a-token-of-anyone";
const OK: Answer = { body: { ok: true } };

/** Passes everything: these tests are about other things. */
class NoLimit extends RateLimiter {
    override pass(): Promise<void> {
        return Promise.resolve();
    }
}

describe("Fly client", () => {
    let server: ScriptedServer | undefined;

    afterEach(async () => {
        await server?.close();
        server = undefined;
    });

    async function serve(
        script: Parameters<typeof startScriptedServer>[0],
        options: Partial<ClientOptions> = {},
    ): Promise<FlyClient> {
        server = await startScriptedServer(script);
        return new FlyClient({
            endpoint: server.endpoint,
            token: TOKEN,
            minPauseMs: 1,
            limiter: new NoLimit(),
            ...options,
        });
    }

    async function failureOf(promise: Promise<unknown>): Promise<FlyError> {
        const error = await promise.then(
            () => assert.fail("did not fail"),
            (failure: unknown) => failure,
        );
        assert.ok(error instanceof FlyError, String(error));
        return error;
    }

    function callsSeen(): number {
        return server?.calls.length ?? 0;
    }

    describe("request", () => {
        it("carries token, user agent and JSON", async () => {
            const client = await serve(() => OK);
            assert.deepEqual(await client.post(["apps"], { body: { name: "a" } }), { ok: true });
            const [call] = server?.calls ?? [];
            assert.equal(call?.path, "/v1/apps");
            assert.equal(call?.headers.authorization, `Bearer ${TOKEN}`);
            assert.match(call?.headers["user-agent"] ?? "", /^appkata-mqtt\/\d+\.\d+\.\d+$/);
            assert.equal(call?.headers["content-type"], "application/json");
            assert.deepEqual(call?.body, { name: "a" });
        });

        for (const [token, expected] of [
            ["fm2_aaaa,fm2_bbbb", "FlyV1 fm2_aaaa,fm2_bbbb"],
            ["fm1r_aaaa", "FlyV1 fm1r_aaaa"],
            ["fm1a_aaaa", "FlyV1 fm1a_aaaa"],
            ["FlyV1 fm2_aaaa", "FlyV1 fm2_aaaa"],
            ["fo1_aaaa", "Bearer fo1_aaaa"],
        ] as const) {
            it(`sends ${token.slice(0, 9)}… as ${expected.split(" ")[0]}`, async () => {
                const client = await serve(() => OK, { token });
                await client.get(["apps", "a"]);
                assert.equal(server?.calls[0]?.headers.authorization, expected);
            });
        }

        it("sends no token where none is needed", async () => {
            const client = await serve(() => OK);
            await client.get(["platform", "regions"], { authenticate: false });
            assert.equal(server?.calls[0]?.headers.authorization, undefined);
        });

        it("encodes the star of a wildcard, as Fly wants it", async () => {
            const client = await serve(() => OK);
            await client.get(["apps", "a", "certificates", "*.example.com"]);
            assert.equal(server?.calls[0]?.path, "/v1/apps/a/certificates/%2A.example.com");
        });

        it("encodes path segments and leaves out absent query values", async () => {
            const client = await serve(() => OK);
            await client.get(["apps", "a/b", "ip_assignments", "::1"], {
                query: { state: "started", version: undefined, timeout: 5 },
            });
            assert.equal(server?.calls[0]?.path, "/v1/apps/a%2Fb/ip_assignments/%3A%3A1");
            assert.equal(server?.calls[0]?.query.toString(), "state=started&timeout=5");
        });

        it("carries the lease's nonce", async () => {
            const client = await serve(() => OK);
            await client.post(["apps", "a", "machines", "m"], { body: {}, nonce: "abc" });
            assert.equal(server?.calls[0]?.headers["fly-machine-lease-nonce"], "abc");
        });

        it("takes an endpoint with /v1 or a slash at its end", async () => {
            server = await startScriptedServer(() => OK);
            for (const endpoint of [`${server.endpoint}/`, `${server.endpoint}/v1`]) {
                await new FlyClient({ endpoint, token: TOKEN }).get(["apps", "a"]);
            }
            assert.deepEqual(server.lines(), ["GET /v1/apps/a", "GET /v1/apps/a"]);
        });

        it("is shared by those who ask at the same time, and only by them", async () => {
            const client = await serve((_call, nth) => ({ body: { nth } }));
            const path = ["apps", "a", "ip_assignments"];
            assert.deepEqual(await Promise.all([client.getShared(path), client.getShared(path)]), [
                { nth: 0 },
                { nth: 0 },
            ]);
            assert.deepEqual(await client.getShared(path), { nth: 1 });
        });
    });

    describe("retry", () => {
        for (const method of ["get", "put", "delete"] as const) {
            for (const fault of [408, 429, 500, 502, 503, 504, "reset"] as const) {
                it(`repeats ${method.toUpperCase()} after ${fault}`, async () => {
                    const failure: Answer = fault === "reset" ? fault : { status: fault };
                    const client = await serve((_call, nth) => (nth < 2 ? failure : OK));
                    await client[method](["apps", "a"]);
                    assert.equal(callsSeen(), 3);
                });
            }
        }

        for (const fault of [408, 500, 502, 503, "reset", "half"] as const) {
            it(`does not repeat POST after ${fault}, and says that it may have been done`, async () => {
                const client = await serve(() =>
                    typeof fault === "string" ? fault : { status: fault },
                );
                const error = await failureOf(client.post(["apps"], { body: {} }));
                assert.equal(callsSeen(), 1);
                assert.equal(error.ambiguous, true);
            });
        }

        it("repeats POST after 429, which Fly has not done", async () => {
            const client = await serve((_call, nth) => (nth < 1 ? { status: 429 } : OK));
            await client.post(["apps"], { body: {} });
            assert.equal(callsSeen(), 2);
        });

        it("repeats POST that the caller calls safe", async () => {
            const client = await serve((_call, nth) => (nth < 1 ? "reset" : OK));
            await client.post(["apps", "a", "secrets"], { body: {}, safe: true });
            assert.equal(callsSeen(), 2);
        });

        for (const method of ["get", "post", "put", "delete"] as const) {
            for (const status of [400, 401, 403, 404, 409, 412, 422, 501]) {
                it(`does not repeat ${method.toUpperCase()} after ${status}`, async () => {
                    const client = await serve(() => ({ status, body: { error: "no" } }));
                    const error = await failureOf(client[method](["apps", "a"], { safe: true }));
                    assert.equal(error.status, status);
                    assert.equal(callsSeen(), 1);
                });
            }
        }

        it("does not follow an answer elsewhere, token and all", async () => {
            const other = await startScriptedServer(() => OK);
            try {
                const headers = { location: `${other.endpoint}/v1/apps/a` };
                const client = await serve(() => ({ status: 307, headers }), { retries: 0 });
                await failureOf(client.get(["apps", "a"]));
                assert.deepEqual(other.calls, []);
            } finally {
                await other.close();
            }
        });

        it("takes a date for Retry-After", async () => {
            const slept: number[] = [];
            const clock = { now: () => 0, sleep: (ms: number) => Promise.resolve(slept.push(ms)) };
            const date = new Date(Date.now() + 30_000).toUTCString();
            const limited: Answer = { status: 503, headers: { "retry-after": date } };
            const client = await serve((_call, nth) => (nth === 0 ? limited : OK), { clock });
            await client.get(["apps", "a"]);
            assert.equal(slept.length, 1);
            assert.ok((slept[0] ?? 0) > 0 && (slept[0] ?? 0) <= 30_000, String(slept));
        });

        it("gives up after the set number", async () => {
            const client = await serve(() => ({ status: 503 }), { retries: 2 });
            await failureOf(client.get(["apps", "a"]));
            assert.equal(callsSeen(), 3);
        });

        it("waits as long as Retry-After says", async () => {
            const slept: number[] = [];
            const clock = { now: () => 0, sleep: (ms: number) => Promise.resolve(slept.push(ms)) };
            const limited: Answer = { status: 429, headers: { "retry-after": "7" } };
            const client = await serve((_call, nth) => (nth === 0 ? limited : OK), { clock });
            await client.get(["apps", "a"]);
            assert.deepEqual(slept, [7000]);
        });

        it("does not wait for a Retry-After beyond a minute", async () => {
            const client = await serve(() => ({
                status: 429,
                headers: { "retry-after": "3600" },
            }));
            const error = await failureOf(client.get(["apps", "a"]));
            assert.equal(error.retryAfterMs, 3_600_000);
            assert.equal(callsSeen(), 1);
        });

        it("leaves an answer to the caller who wants to see it", async () => {
            const client = await serve(() => ({ status: 408 }));
            await failureOf(client.get(["apps", "a"], { final: [408] }));
            assert.equal(callsSeen(), 1);
        });

        it("repeats GET whose answer was cut off", async () => {
            const client = await serve((_call, nth) => (nth < 1 ? "half" : OK));
            assert.deepEqual(await client.get(["apps", "a"]), { ok: true });
        });

        it("waits out 404 for what is in an app that was just made, POST included", async () => {
            const notYet: Answer = { status: 404, body: { error: "app not found" } };
            const client = await serve((_call, nth) => (nth < 6 ? notYet : OK));
            client.appCreated("a");
            await client.post(["apps", "a", "volumes"], { body: {} });
            assert.equal(callsSeen(), 7);
            await client.post(["apps", "a", "certificates", "acme"], { body: {} });
            assert.equal(callsSeen(), 14);
        });

        it("does not wait out 404 for other apps, single things, or once it is deleted", async () => {
            const client = await serve(() => ({ status: 404 }));
            client.appCreated("a");
            await failureOf(client.get(["apps", "b", "volumes"]));
            await failureOf(client.get(["apps", "a", "volumes", "vol_1"]));
            client.appDeleted("a");
            await failureOf(client.get(["apps", "a", "volumes"]));
            assert.equal(callsSeen(), 3);
        });
    });

    describe("deadline", () => {
        it("ends a request that gets no answer", async () => {
            const client = await serve(() => "silence", { retries: 0 });
            const error = await failureOf(client.get(["apps", "a"], { deadlineMs: 50 }));
            assert.equal(error.code, "ETIMEDOUT");
            assert.match(error.message, /no answer within 0\.05 s/);
        });

        it("makes a POST without an answer ambiguous", async () => {
            const client = await serve(() => "silence");
            const error = await failureOf(client.post(["apps"], { body: {}, deadlineMs: 50 }));
            assert.equal(error.ambiguous, true);
            assert.equal(callsSeen(), 1);
        });
    });

    describe("error", () => {
        it("says what was asked, what Fly said, and what to do", async () => {
            const client = await serve(() => ({
                status: 422,
                body: { error: "could not find a candidate host", status: "insufficient_capacity" },
                headers: { "fly-request-id": "01HREQ" },
            }));
            const error = await failureOf(client.post(["apps", "a", "machines"], { body: {} }));
            assert.equal(
                error.message,
                "POST /v1/apps/a/machines: 422 insufficient_capacity: could not find a candidate host " +
                    "(fly-request-id 01HREQ)\n" +
                    "  Fly has no room for this in the region: try again later, a smaller machine, or another region.",
            );
            assert.equal(error.requestId, "01HREQ");
            assert.equal(error.flyStatus, "insufficient_capacity");
        });

        it("takes `message` where an upstream answers that", async () => {
            const client = await serve(() => ({ status: 401, body: { message: "Unauthorized" } }));
            const error = await failureOf(client.get(["apps", "a"]));
            assert.equal(error.text, "Unauthorized");
            assert.match(error.message, /FLY_API_TOKEN/);
        });

        it("shows a body that is not JSON, without its tags, shortened", async () => {
            const page = `<html><body><h1>502 Bad Gateway</h1>${"x".repeat(1000)}</body></html>`;
            const client = await serve(() => ({ status: 502, body: page }), { retries: 0 });
            const error = await failureOf(client.get(["apps", "a"]));
            assert.match(error.text, /^502 Bad Gateway x+… \(\d+ characters\)$/);
            assert.ok(error.text.length < 450);
        });

        it("shows an answer of success that is not JSON", async () => {
            const client = await serve(() => ({ body: "<html>Log in</html>" }), { retries: 0 });
            const error = await failureOf(client.get(["apps", "a"]));
            assert.match(error.text, /not JSON: <html>Log in/);
        });

        it("names the network's reason", async () => {
            const client = await serve(() => OK, { retries: 0 });
            await server?.close();
            const error = await failureOf(client.get(["apps", "a"]));
            assert.equal(error.code, "ECONNREFUSED");
            assert.match(error.message, /^GET \/v1\/apps\/a: no answer: .*ECONNREFUSED/);
            assert.equal(error.ambiguous, false);
        });

        it("never shows the token or a secret, however they are echoed", async () => {
            const value = 'line one\nline "two"';
            const token = "fm2_firstpart,fm2_secondpart";
            const client = await serve(
                ({ headers, body }) => ({
                    status: 400,
                    body: {
                        error: `bad: ${headers.authorization} ${JSON.stringify(body)} ${value}`,
                    },
                }),
                { token },
            );
            const error = await failureOf(
                client.post(["apps", "a", "secrets"], {
                    body: { values: { KEY: value } },
                    secrets: [value],
                }),
            );
            const everything = `${error.message} ${error.stack} ${JSON.stringify(error)}`;
            for (const secret of ["firstpart", "secondpart", "line one", 'line \\"two']) {
                assert.ok(!everything.includes(secret), everything);
            }
            assert.match(error.text, /\[secret\]/);
        });
    });
});

describe("rate limiter", () => {
    /** Time passes only while something sleeps; all sleepers of one moment sleep at once. */
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

    it("counts each action, app and machine by itself", async () => {
        const actions = ["a", "b"].flatMap((app) => [
            ...times(3, `POST /v1/apps/${app}/volumes`),
            ...times(3, `GET /v1/apps/${app}/volumes`),
        ]);
        assert.deepEqual(await pausesOf(actions), []);
    });

    it("counts what is done to a machine's metadata or an app's addresses together", async () => {
        for (const [method, path] of [
            ["POST", "/v1/apps/a/machines/m/metadata"],
            ["DELETE", "/v1/apps/a/ip_assignments"],
        ] as const) {
            const actions = ["1", "2", "3", "4"].map((name) => `${method} ${path}/${name}`);
            assert.deepEqual(await pausesOf(actions), [1000]);
        }
    });

    it("lets apps be made at once, and after a refusal one a second", async () => {
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

    it("has nothing left when Fly refuses, which is no gain to those who wait", async () => {
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

    it("fills up again with time, no further than the burst", async () => {
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
