// core
/** Attacks on the local Fly without a token, and by whoever has the token of one app. */
import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { AttackedFly, basic, bearer, bodyOf, OPEN } from "./support/attackedFly.ts";

const WRONG: Record<string, (right: string) => Record<string, string>> = {
    "another token": () => bearer("fo1_wrong"),
    nothing: () => bearer(""),
    "the token without its last character": (right) => bearer(right.slice(0, -1)),
    "the token and one character more": (right) => bearer(`${right}x`),
    "the token in capital letters": (right) => bearer(right.toUpperCase()),
    "the token as a Basic password": (right) => basic(right),
    "the token in a cookie": (right) => ({ cookie: `token=${right}; authorization=${right}` }),
    "the token in another header": (right) => ({ "x-fly-token": right }),
    "the word __proto__": () => bearer("__proto__"),
    commas: () => ({ authorization: "FlyV1 ,,," }),
};

/** Paths to the image of the app `theirs`, as it is and as a careless check does not know it. */
const IMAGE_PATHS = [
    ...["/v2/theirs/manifests/test", "/v2/theirs/tags/list", "/v2//theirs/manifests/test"],
    ...["/v2/mine/../theirs/manifests/test", "/v2/mine/%2e%2e/theirs/manifests/test"],
    ...["/v2/./theirs/manifests/test", "//v2/theirs/manifests/test", "/v2/%74heirs/tags/list"],
    ...["/v2/mine%2f..%2ftheirs/manifests/test", "http://localhost/v2/theirs/manifests/test"],
    "/v2/_catalog",
];

describe("attacks on the local Fly's tokens", function () {
    this.timeout(120_000);
    const theirs = new AttackedFly();

    it("no route but the list of regions answers without a token", async () => {
        assert.ok(theirs.routes.length > 50, `${theirs.routes.length} routes`);
        for (const route of theirs.routes) {
            const answer = await theirs.ask(...theirs.filled(route));
            assert.equal(answer.status, route === OPEN ? 200 : 401, route);
        }
    });

    for (const [what, headersOf] of Object.entries(WRONG)) {
        it(`${what} in place of the token is refused`, async () => {
            const right = theirs.fly.token;
            const headers = headersOf(right);
            const answer = await theirs.ask("GET", "/v1/apps/theirs", { headers });
            assert.equal(answer.status, 401, answer.text);
            assert.ok(!answer.text.includes(right));
        });
    }

    it("the token in the query is refused", async () => {
        const { token } = theirs.fly;
        const to = `/v1/apps/theirs?token=${token}&access_token=${token}`;
        assert.equal((await theirs.ask("GET", to)).status, 401);
    });

    it("an expired deploy token is refused", async () => {
        const made = await theirs.api.ok("POST", "/apps/mine/deploy_token", { expiry: "1s" });
        const headers = bearer(made.token as string);
        assert.equal((await theirs.ask("GET", "/v1/apps/mine", { headers })).status, 200);
        await sleep(1100);
        assert.equal((await theirs.ask("GET", "/v1/apps/mine", { headers })).status, 401);
    });

    it("an app's deploy token reads and changes nothing of another app, by any route", async () => {
        const headers = bearer(theirs.token);
        for (const route of theirs.routes.filter((one) => one.includes("/:app"))) {
            const [method, to] = theirs.filled(route);
            const answer = await theirs.ask(method, to, { headers, body: bodyOf(method) });
            const refused = to.startsWith("/_local") ? 401 : 403;
            assert.equal(answer.status, refused, `${route}: ${answer.text}`);
        }
        for (const app of ["%74heirs", "mine%2f..%2ftheirs", "mine/../theirs"]) {
            const answer = await theirs.ask("GET", `/v1/apps/${app}`, { headers });
            assert.ok([403, 404].includes(answer.status), `${app}: ${answer.text}`);
        }
    });

    it("an app's deploy token reaches no other app's machine or volume through its own app", async () => {
        const { machine, volume, image } = theirs;
        const headers = bearer(theirs.token);
        for (const to of [`machines/${machine}`, `volumes/${volume}`]) {
            const answer = await theirs.ask("GET", `/v1/apps/mine/${to}`, { headers });
            assert.equal(answer.status, 404, answer.text);
        }
        const body = JSON.stringify({ config: { image, mounts: [{ volume, path: "/data" }] } });
        const answer = await theirs.ask("POST", "/v1/apps/mine/machines", { headers, body });
        assert.ok(answer.status >= 400, answer.text);
    });

    it("an app's deploy token creates no app", async () => {
        const headers = bearer(theirs.token);
        const body = JSON.stringify({ name: "third", org_slug: "personal" });
        assert.equal((await theirs.ask("POST", "/v1/apps", { headers, body })).status, 403);
    });

    it("an app's deploy token reads no other app's image, however its path is written", async () => {
        const registry = { port: theirs.registryPort, headers: basic(theirs.token) };
        assert.equal((await theirs.ask("GET", "/v2/", registry)).status, 200);
        for (const to of IMAGE_PATHS) {
            const { status, text } = await theirs.ask("GET", to, registry);
            assert.ok([400, 403, 404].includes(status), `${to}: ${status} ${text}`);
        }
    });

    it("an app's deploy token mounts no layer of another app's image", async () => {
        const port = theirs.registryPort;
        const accept = "application/vnd.docker.distribution.manifest.v2+json";
        const headers = { ...basic(theirs.fly.token), accept };
        const { text } = await theirs.ask("GET", "/v2/theirs/manifests/test", { port, headers });
        const { layers } = JSON.parse(text) as { layers: { digest: string }[] };
        const to = `/v2/mine/blobs/uploads/?mount=${layers[0]!.digest}&from=theirs`;
        // 202: the registry waits for an upload. 201: it took the layer from there.
        for (const [token, status] of [
            [theirs.token, 202],
            [theirs.fly.token, 201],
        ] as const) {
            const answer = await theirs.ask("POST", to, { port, headers: basic(token) });
            assert.equal(answer.status, status, answer.text);
        }
        const form = {
            ...basic(theirs.token),
            "content-type": "application/x-www-form-urlencoded",
        };
        const [path = "", body = ""] = to.split("?");
        const answer = await theirs.ask("POST", path, { port, headers: form, body });
        assert.equal(answer.status, 202, answer.text);
    });
});
