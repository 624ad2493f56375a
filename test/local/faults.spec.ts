// core
import assert from "node:assert/strict";
import { startLocalFly } from "../../dev/fly/index.ts";
import type { LocalFly } from "../../dev/fly/index.ts";
import type { FaultRule } from "../../dev/fly/faults.ts";
import { Api } from "../../dev/harness/api.ts";
import { until } from "../../dev/harness/until.ts";

describe("local Fly: faults and settings", function () {
    this.timeout(60_000);
    let fly: LocalFly;
    let api: Api;
    let next = 0;

    const inject = (...rules: FaultRule[]) => api.ok("POST", "/_local/faults", { rules });
    const create = (name: string) => api.call("POST", "/apps", { name, org_slug: "personal" });
    const fresh = () => `app-${next++}`;
    const exists = async (name: string) => (await api.call("GET", `/apps/${name}`)).status === 200;

    before(async () => {
        fly = await startLocalFly();
        api = new Api(fly);
    });
    afterEach(async () => {
        await api.ok("DELETE", "/_local/faults");
        await api.ok("PUT", "/_local/settings", { rateLimit: false, consistencyLagMs: 0 });
    });
    after(() => fly?.close());

    it("answers with any status, header and body, without acting", async () => {
        await inject({
            name: "proxy error",
            method: "POST",
            path: "/v1/apps",
            action: {
                type: "status",
                status: 502,
                headers: { "retry-after": "1" },
                body: "<html>bad gateway</html>",
            },
        });
        const name = fresh();
        const answer = await create(name);
        assert.equal(answer.status, 502);
        assert.equal(answer.text, "<html>bad gateway</html>");
        assert.equal(answer.headers.get("retry-after"), "1");
        assert.match(answer.headers.get("content-type") ?? "", /html/);
        assert.equal(await exists(name), false);
        assert.equal((await create(name)).status, 201, "once only");
    });

    it("cuts the connection before it acts", async () => {
        await inject({ method: "POST", path: "/v1/apps", action: { type: "drop-before" } });
        const name = fresh();
        await assert.rejects(create(name), /fetch failed/);
        assert.equal(await exists(name), false);
    });

    it("acts, then cuts the connection instead of answering", async () => {
        await inject({ method: "POST", path: "/v1/apps", action: { type: "drop-after" } });
        const name = fresh();
        await assert.rejects(create(name), /fetch failed/);
        assert.equal(await exists(name), true);
    });

    it("acts, and cuts the connection in the middle of the answer", async () => {
        await inject({ method: "POST", path: "/v1/apps", action: { type: "cut" } });
        const name = fresh();
        await assert.rejects(create(name), /terminated|other side closed|fetch failed/);
        assert.equal(await exists(name), true);
    });

    it("waits before it acts, or before it answers", async () => {
        const name = fresh();
        await inject({ method: "POST", path: "/v1/apps", action: { type: "delay", ms: 300 } });
        const before = create(name);
        assert.equal(await exists(name), false);
        assert.equal((await before).status, 201);
        const other = fresh();
        await inject({
            method: "POST",
            path: "/v1/apps",
            action: { type: "delay-after", ms: 400 },
        });
        const after = create(other);
        await until("it is there before the answer", async () => await exists(other));
        const settled = await Promise.race([after, Promise.resolve("still waiting")]);
        assert.equal(settled, "still waiting");
        assert.equal((await after).status, 201);
    });

    it("answers a read with the state before the latest write", async () => {
        const name = fresh();
        await inject({ method: "GET", path: "/v1/apps/*", action: { type: "stale" } });
        await create(name);
        assert.equal(await exists(name), false);
        assert.equal(await exists(name), true);
    });

    it("serves stale reads for a while after a write", async () => {
        await api.ok("PUT", "/_local/settings", { consistencyLagMs: 500 });
        const name = fresh();
        await create(name);
        assert.equal(await exists(name), false);
        await until("the read catches up", async () => await exists(name));
    });

    it("limits no rate for routes without an app or machine", async () => {
        await api.ok("PUT", "/_local/settings", { rateLimit: true });
        for (let i = 0; i < 5; i++) await create(fresh());
    });

    it("limits the rate as Fly documents", async () => {
        const name = fresh();
        await create(name);
        await api.ok("PUT", "/_local/settings", { rateLimit: true });
        const statuses: number[] = [];
        for (let i = 0; i < 5; i++) {
            const body = { values: { A: String(i) } };
            statuses.push((await api.call("POST", `/apps/${name}/secrets`, body)).status);
        }
        assert.deepEqual(statuses.slice(0, 4), [200, 200, 200, 429]);
        await until("the limit lets one through again", async () => {
            const body = { values: { A: "later" } };
            const { status } = await api.call("POST", `/apps/${name}/secrets`, body);
            return status === 200;
        });
    });

    it("keeps a journal of requests, without bodies", async () => {
        const before = await api.journal();
        const since = before.at(-1)?.n ?? 0;
        await inject({ name: "cut off", path: "/v1/apps", action: { type: "drop-after" } });
        const name = fresh();
        await assert.rejects(create(name));
        await exists(name);
        const entries = await api.journal(since);
        const seen = entries
            .filter((one) => one.path.startsWith("/v1/"))
            .map((one) => [one.method, one.path, one.status, one.fault]);
        assert.deepEqual(seen, [
            ["POST", "/v1/apps", 0, "cut off"],
            ["GET", `/v1/apps/${name}`, 200, undefined],
        ]);
    });

    it("requires the token for its own routes too", async () => {
        await api.refused(401, /token/, "GET", "/_local/journal", undefined, {
            authorization: "Bearer no",
        });
        await api.refused(400, /action.type/, "POST", "/_local/faults", {
            rules: [{ path: "/x", action: { type: "explode" } }],
        });
        await api.refused(400, /nonsense/, "PUT", "/_local/settings", { nonsense: 1 });
    });
});
