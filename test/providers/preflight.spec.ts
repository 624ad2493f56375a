import assert from "node:assert/strict";
import { preflight, type PreflightArgs } from "../../providers/fly/preflight.ts";
import { LOWERCASE, PASCALCASE } from "./support/regions.ts";
import { startScriptedServer, type Answer, type ScriptedServer } from "./support/scriptedServer.ts";

describe("preflight", () => {
    let server: ScriptedServer | undefined;

    afterEach(async () => {
        await server?.close();
        server = undefined;
    });

    async function problems(
        change: Partial<PreflightArgs> = {},
        answers: { regions?: Answer; account?: Answer } = {},
    ): Promise<string[]> {
        await server?.close();
        server = await startScriptedServer(({ path }) =>
            path === "/v1/platform/regions"
                ? (answers.regions ?? { body: LOWERCASE })
                : (answers.account ?? { status: 404, body: { error: "app not found" } }),
        );
        const found = await preflight({
            endpoint: server.endpoint,
            token: "fo1_token",
            appName: "my-app",
            region: "lhr",
            organization: "personal",
            ...change,
        });
        return found.problems;
    }

    it("takes two requests and finds nothing wrong with a free name", async () => {
        assert.deepEqual(await problems(), []);
        assert.deepEqual(server?.lines().sort(), [
            "GET /v1/apps/my-app",
            "GET /v1/platform/regions",
        ]);
    });

    it("accepts the token as `fly tokens create` prints it", async () => {
        assert.deepEqual(await problems({ token: "FlyV1 fm2_aaaa\n" }), []);
        const sent = server?.calls.find(({ path }) => path === "/v1/apps/my-app");
        assert.equal(sent?.headers.authorization, "FlyV1 fm2_aaaa");
    });

    it("asks for the organisation's apps if there is no name yet", async () => {
        const account = { body: { total_apps: 0, apps: [] } };
        assert.deepEqual(
            await problems({ appName: undefined, organization: "o" }, { account }),
            [],
        );
        const asked = server?.calls.find(({ path }) => path === "/v1/apps");
        assert.equal(asked?.query.get("org_slug"), "o");
        assert.equal(server?.calls.length, 2);
    });

    it("finds nothing wrong with an existing app", async () => {
        const account = { body: { name: "my-app", organization: { slug: "o" } } };
        assert.deepEqual(await problems({ organization: "o" }, { account }), []);
        assert.deepEqual(await problems({ organization: "personal" }, { account }), []);
    });

    for (const [wire, body] of [
        ["lowercase", LOWERCASE],
        ["PascalCase", PASCALCASE],
    ] as const) {
        it(`lists near regions for an unknown one, from ${wire} answers`, async () => {
            const [problem, ...more] = await problems({ region: "lhx" }, { regions: { body } });
            assert.deepEqual(more, []);
            assert.match(
                problem ?? "",
                /^region "lhx": Fly has no such region; nearby regions are lhr \(London, United Kingdom\), /,
            );
            assert.ok(!problem?.includes("waw"));
        });
    }

    it("finds a region by its city", async () => {
        const [problem] = await problems({ region: "sydney" });
        assert.match(problem ?? "", /nearby regions are syd \(Sydney, Australia\)/);
    });

    it("warns of a region that Fly retires, with those nearby", async () => {
        const [problem] = await problems({ region: "waw" });
        assert.match(
            problem ?? "",
            /^region "waw": Fly is retiring this region; nearby regions are ams/,
        );
    });

    it("says that the token is rejected, and where to put another", async () => {
        const account = { status: 401, body: { error: "Authenticate: token validation error" } };
        const [problem, ...more] = await problems({}, { account });
        assert.match(problem ?? "", /^fly:token: Fly rejects the token; .*FLY_API_TOKEN/);
        assert.deepEqual(more, []);
        assert.ok(!problem?.includes("fo1_token"));
    });

    it("says that someone else has the name", async () => {
        const [problem] = await problems({}, { account: { status: 403, body: { error: "no" } } });
        assert.match(problem ?? "", /^appName "my-app": the name belongs to someone else/);
    });

    it("says that the app is in another organisation", async () => {
        const account = { body: { name: "my-app", organization: { slug: "other" } } };
        const [problem] = await problems({ organization: "mine" }, { account });
        assert.match(problem ?? "", /^organization "mine": .*in your organisation "other"/);
    });

    for (const status of [403, 404]) {
        it(`says that the organisation cannot be used (${status})`, async () => {
            const account = { status, body: { error: "no" } };
            const args = { appName: undefined, organization: "nobody" };
            const [problem] = await problems(args, { account });
            assert.match(problem ?? "", /^organization "nobody": /);
        });
    }

    it("says once that the endpoint cannot be reached", async () => {
        server = await startScriptedServer(() => ({}));
        const { endpoint } = server;
        await server.close();
        const found = await preflight({
            endpoint,
            token: "fo1_token",
            appName: "a",
            region: "lhr",
            organization: "o",
        });
        assert.equal(found.problems.length, 1);
        assert.match(
            found.problems[0] ?? "",
            /^endpoint "http:.*": Fly cannot be reached there: .*ECONNREFUSED/,
        );
    });

    for (const [change, expected] of [
        [{ token: undefined }, /^fly:token: there is no token/],
        [{ token: "FlyV1 " }, /^fly:token: there is no token/],
        [{ endpoint: "nowhere" }, /^endpoint "nowhere": not a URL/],
    ] as const) {
        it(`sends no request with ${JSON.stringify(change)}`, async () => {
            const [problem] = await problems(change);
            assert.match(problem ?? "", expected);
            assert.equal(server?.calls.length, 0);
        });
    }

    it("lists several problems at once", async () => {
        const account = { status: 401, body: { error: "no" } };
        assert.equal((await problems({ region: "xyz" }, { account })).length, 2);
    });
});
