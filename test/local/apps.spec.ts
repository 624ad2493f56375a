// core
import assert from "node:assert/strict";
import { startLocalFly } from "../../dev/fly/index.ts";
import type { LocalFly } from "../../dev/fly/index.ts";
import { Api } from "../../dev/harness/api.ts";
import { until } from "../../dev/harness/until.ts";

describe("local Fly: apps and access", function () {
    this.timeout(60_000);
    let fly: LocalFly;
    let api: Api;

    before(async () => {
        fly = await startLocalFly();
        api = new Api(fly);
    });
    after(() => fly?.close());

    it("creates an app, returns all of it and shows it", async () => {
        const made = await api.call("POST", "/apps", { name: "one", org_slug: "personal" });
        assert.equal(made.status, 201);
        assert.equal(made.body.name, "one");
        assert.equal(typeof made.body.created_at, "number");
        const shown = await api.ok("GET", "/apps/one");
        assert.equal(shown.id, made.body.id);
        assert.equal(shown.status, "pending");
        const organization = shown.organization as { slug: string };
        assert.equal(organization.slug, "local", "the alias personal stands for the real slug");
        const listed = await api.ok<{ total_apps: number; apps: { name: string }[] }>(
            "GET",
            "/apps?org_slug=personal",
        );
        assert.equal(listed.total_apps, 1);
        assert.deepEqual(
            listed.apps.map((one) => one.name),
            ["one"],
        );
    });

    it("refuses a name that is taken, malformed or missing", async () => {
        const body = { name: "one", org_slug: "personal" };
        const taken = await api.refused(
            422,
            "Validation failed: Name has already been taken",
            "POST",
            "/apps",
            body,
        );
        assert.equal(taken.body.status, "name_taken");
        for (const name of ["Upper", "under_score", "-dash", "a".repeat(64)]) {
            await api.refused(422, /^Validation failed/, "POST", "/apps", { ...body, name });
        }
        await api.refused(400, "name is required", "POST", "/apps", { org_slug: "personal" });
        await api.refused(400, "org_slug is required", "GET", "/apps");
    });

    it("distinguishes a free name (404) from someone else's app (403)", async () => {
        await api.refused(404, "app not found", "GET", "/apps/nobodys");
        await api.ok("POST", "/_local/apps", { name: "theirs", organization: "someone-else" });
        await api.refused(403, "unauthorized", "GET", "/apps/theirs");
        await api.refused(403, "unauthorized", "DELETE", "/apps/theirs");
        await api.refused(403, "unauthorized", "POST", "/apps/theirs/machines", { config: {} });
        const body = { name: "theirs", org_slug: "personal" };
        await api.refused(422, /already been taken/, "POST", "/apps", body);
        const listed = await api.ok<{ apps: { name: string }[] }>("GET", "/apps?org_slug=personal");
        assert.ok(!listed.apps.some((one) => one.name === "theirs"));
    });

    it("deletes an app in the background", async () => {
        await api.app("gone");
        const answer = await api.call("DELETE", "/apps/gone");
        assert.equal(answer.status, 202);
        assert.equal((await api.call("GET", "/apps/gone")).status, 200, "not gone yet");
        await api.refused(404, "app not found", "POST", "/apps/gone/machines", { config: {} });
        await until(
            "the app is gone",
            async () => (await api.call("GET", "/apps/gone")).status === 404,
        );
        await api.app("gone");
    });

    it("requires a token, in either form that clients send", async () => {
        const text = "Authenticate: token validation error";
        await api.refused(401, text, "GET", "/apps/one", undefined, { authorization: "" });
        await api.refused(401, text, "GET", "/apps/one", undefined, {
            authorization: "Bearer fo1_wrong",
        });
        for (const authorization of [`FlyV1 ${fly.token}`, `FlyV1 fm2_other,${fly.token}`]) {
            await api.ok("GET", "/apps/one", undefined, { authorization });
        }
    });

    it("answers unknown routes before it requires a token", async () => {
        for (const [method, path] of [
            ["GET", "/nothing"],
            ["POST", "/apps/one/certificates"],
            ["PATCH", "/apps/one"],
        ] as const) {
            const answer = await api.call(method, path, undefined, { authorization: "" });
            assert.equal(answer.status, 404);
            assert.match(answer.headers.get("content-type") ?? "", /^text\/plain/);
            assert.equal(answer.text.trim(), "404 page not found");
            assert.ok(answer.headers.get("fly-request-id"));
        }
    });

    it("lists regions to anyone", async () => {
        const answer = await api.call<{ Regions: { code: string }[]; Nearest: string }>(
            "GET",
            "/platform/regions",
            undefined,
            { authorization: "" },
        );
        assert.equal(answer.status, 200);
        assert.ok(answer.body.Regions.some((region) => region.code === "lhr"));
        assert.equal(answer.body.Nearest, "lhr");
    });

    it("gives every answer its own request ID", async () => {
        const ids = new Set<string | null>();
        for (const path of ["/apps/one", "/apps/nobodys", "/nothing"]) {
            ids.add((await api.call("GET", path)).headers.get("fly-request-id"));
        }
        assert.equal(ids.size, 3);
        assert.ok(!ids.has(null));
    });

    it("issues deploy tokens that are valid for their app alone", async () => {
        await api.app("two");
        const { token } = await api.ok<{ token: string }>("POST", "/apps/one/deploy_token", {
            expiry: "1h",
        });
        const headers = { authorization: `FlyV1 ${token}` };
        await api.ok("GET", "/apps/one", undefined, headers);
        await api.refused(403, "unauthorized", "GET", "/apps/two", undefined, headers);
        const body = { name: "three", org_slug: "personal" };
        await api.refused(403, "unauthorized", "POST", "/apps", body, headers);
    });

    it("refuses a body that is not a JSON object", async () => {
        const response = await fetch(`${fly.endpoint}/v1/apps`, {
            method: "POST",
            headers: { authorization: `Bearer ${fly.token}` },
            body: "{not json",
        });
        assert.equal(response.status, 400);
        await api.refused(400, /expected a JSON object/, "POST", "/apps", ["name"]);
    });
});
