import assert from "node:assert/strict";
import { FlyClient } from "../../providers/fly/api/client.ts";
import { failureOf, OK, TOKEN, ScriptedClient } from "./support/scriptedClient.ts";
import { startScriptedServer } from "./support/scriptedServer.ts";

describe("Fly client", () => {
    const on = new ScriptedClient();

    describe("request", () => {
        it("carries token, user agent and JSON", async () => {
            const client = await on.serve(() => OK);
            assert.deepEqual(await client.post(["apps"], { body: { name: "a" } }), { ok: true });
            const [call] = on.server?.calls ?? [];
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
                const client = await on.serve(() => OK, { token });
                await client.get(["apps", "a"]);
                assert.equal(on.server?.calls[0]?.headers.authorization, expected);
            });
        }

        it("sends no token where none is needed", async () => {
            const client = await on.serve(() => OK);
            await client.get(["platform", "regions"], { authenticate: false });
            assert.equal(on.server?.calls[0]?.headers.authorization, undefined);
        });

        it("encodes the star of a wildcard, as Fly wants it", async () => {
            const client = await on.serve(() => OK);
            await client.get(["apps", "a", "certificates", "*.example.com"]);
            assert.equal(on.server?.calls[0]?.path, "/v1/apps/a/certificates/%2A.example.com");
        });

        it("encodes path segments and omits absent query values", async () => {
            const client = await on.serve(() => OK);
            await client.get(["apps", "a/b", "ip_assignments", "::1"], {
                query: { state: "started", version: undefined, timeout: 5 },
            });
            assert.equal(on.server?.calls[0]?.path, "/v1/apps/a%2Fb/ip_assignments/%3A%3A1");
            assert.equal(on.server?.calls[0]?.query.toString(), "state=started&timeout=5");
        });

        it("carries the lease's nonce", async () => {
            const client = await on.serve(() => OK);
            await client.post(["apps", "a", "machines", "m"], { body: {}, nonce: "abc" });
            assert.equal(on.server?.calls[0]?.headers["fly-machine-lease-nonce"], "abc");
        });

        it("accepts an endpoint with /v1 or a trailing slash", async () => {
            on.server = await startScriptedServer(() => OK);
            for (const endpoint of [`${on.server.endpoint}/`, `${on.server.endpoint}/v1`]) {
                await new FlyClient({ endpoint, token: TOKEN }).get(["apps", "a"]);
            }
            assert.deepEqual(on.server.lines(), ["GET /v1/apps/a", "GET /v1/apps/a"]);
        });

        it("is shared by concurrent callers, and only by them", async () => {
            const client = await on.serve((_call, nth) => ({ body: { nth } }));
            const path = ["apps", "a", "ip_assignments"];
            assert.deepEqual(await Promise.all([client.getShared(path), client.getShared(path)]), [
                { nth: 0 },
                { nth: 0 },
            ]);
            assert.deepEqual(await client.getShared(path), { nth: 1 });
        });
    });

    describe("deadline", () => {
        it("ends a request that gets no answer", async () => {
            const client = await on.serve(() => "silence", { retries: 0 });
            const error = await failureOf(client.get(["apps", "a"], { deadlineMs: 50 }));
            assert.equal(error.code, "ETIMEDOUT");
            assert.match(error.message, /no answer within 0\.05 s/);
        });

        it("makes a POST without an answer ambiguous", async () => {
            const client = await on.serve(() => "silence");
            const error = await failureOf(client.post(["apps"], { body: {}, deadlineMs: 50 }));
            assert.equal(error.ambiguous, true);
            assert.equal(on.callsSeen, 1);
        });
    });

    describe("error", () => {
        it("has the request, Fly's answer, and what to do", async () => {
            const client = await on.serve(() => ({
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

        it("uses `message` where an upstream answers with that", async () => {
            const client = await on.serve(() => ({
                status: 401,
                body: { message: "Unauthorized" },
            }));
            const error = await failureOf(client.get(["apps", "a"]));
            assert.equal(error.text, "Unauthorized");
            assert.match(error.message, /FLY_API_TOKEN/);
        });

        it("shows a body that is not JSON, without its tags, shortened", async () => {
            const page = `<html><body><h1>502 Bad Gateway</h1>${"x".repeat(1000)}</body></html>`;
            const client = await on.serve(() => ({ status: 502, body: page }), { retries: 0 });
            const error = await failureOf(client.get(["apps", "a"]));
            assert.match(error.text, /^502 Bad Gateway x+… \(\d+ characters\)$/);
            assert.ok(error.text.length < 450);
        });

        it("shows a success answer that is not JSON", async () => {
            const client = await on.serve(() => ({ body: "<html>Log in</html>" }), { retries: 0 });
            const error = await failureOf(client.get(["apps", "a"]));
            assert.match(error.text, /not JSON: <html>Log in/);
        });

        it("names the network error", async () => {
            const client = await on.serve(() => OK, { retries: 0 });
            await on.server?.close();
            const error = await failureOf(client.get(["apps", "a"]));
            assert.equal(error.code, "ECONNREFUSED");
            assert.match(error.message, /^GET \/v1\/apps\/a: no answer: .*ECONNREFUSED/);
            assert.equal(error.ambiguous, false);
        });

        it("never shows the token or a secret, however they are echoed", async () => {
            const value = 'line one\nline "two"';
            const token = "fm2_firstpart,fm2_secondpart";
            const client = await on.serve(
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
