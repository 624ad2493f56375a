// core
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startLocalFly } from "../../dev/fly/index.ts";
import type { LocalFly } from "../../dev/fly/index.ts";
import { registryFront } from "../../dev/fly/runtime/registryFront.ts";
import { Api } from "../../dev/harness/api.ts";
import { pushImage } from "../../dev/harness/image.ts";
import { until } from "../../dev/harness/until.ts";

describe("local Fly: the registry", function () {
    this.timeout(60_000);
    let fly: LocalFly;
    let api: Api;

    const ask = async (path: string, token?: string, method = "GET") => {
        const basic = Buffer.from(`x:${token ?? ""}`).toString("base64");
        const response = await fetch(`http://${fly.registry}${path}`, {
            method,
            headers: token === undefined ? {} : { authorization: `Basic ${basic}` },
        });
        const text = await response.text();
        return {
            status: response.status,
            headers: response.headers,
            body: (text === "" ? {} : JSON.parse(text)) as {
                errors?: { code: string; message: string }[];
            },
        };
    };

    before(async () => {
        fly = await startLocalFly();
        api = new Api(fly);
        await api.app("mine");
    });
    after(() => fly?.close());

    it("requires the token as password", async () => {
        for (const token of [undefined, "wrong"]) {
            const answer = await ask("/v2/", token);
            assert.equal(answer.status, 401);
            assert.match(answer.headers.get("www-authenticate") ?? "", /^Basic realm=/);
            assert.equal(answer.body.errors?.[0]?.code, "UNAUTHORIZED");
        }
        assert.equal((await ask("/v2/", fly.token)).status, 200);
    });

    it("has repositories for existing apps only", async () => {
        await assert.rejects(pushImage(fly, "nobodys"), /app repository not found/);
        const image = await pushImage(fly, "mine");
        const digest = image.split("@")[1] ?? "";
        const pulled = await ask("/v2/mine/tags/list", fly.token);
        assert.deepEqual(pulled.body, { name: "mine", tags: ["test"] });
        const manifest = await ask(`/v2/mine/manifests/${digest}`, fly.token, "HEAD");
        assert.equal(manifest.status, 200);
    });

    it("refuses other organisations' apps and other apps' tokens", async () => {
        await api.ok("POST", "/_local/apps", { name: "theirs", organization: "someone-else" });
        const denied = await ask("/v2/theirs/tags/list", fly.token);
        assert.equal(denied.status, 403);
        assert.equal(denied.body.errors?.[0]?.code, "DENIED");
        await api.app("other");
        const { token } = await api.ok<{ token: string }>("POST", "/apps/other/deploy_token", {});
        assert.equal((await ask("/v2/mine/tags/list", token)).status, 403);
        assert.equal((await ask("/v2/mine/blobs/uploads/", "wrong", "POST")).status, 401);
    });
});

describe("local Fly: the registry's front", () => {
    it("opens a connection for each request and closes it itself, as pushes under load require", async () => {
        const dir = mkdtempSync(join(tmpdir(), "registry-front-"));
        const sockets = new Set<Socket>();
        const asked: (string | undefined)[] = [];
        const registry = createServer((request, response) => {
            sockets.add(request.socket);
            asked.push(request.headers.connection);
            response.end();
        });
        const front = registryFront(join(dir, "socket"), {
            isToken: () => true,
            refuse: () => undefined,
            log: () => undefined,
        });
        try {
            await new Promise<void>((done) => registry.listen(join(dir, "socket"), done));
            await new Promise<void>((done) => front.listen(0, "127.0.0.1", done));
            const { port } = front.address() as AddressInfo;
            const authorization = `Basic ${Buffer.from("x:token").toString("base64")}`;
            for (let round = 0; round < 2; round++) {
                const url = `http://127.0.0.1:${port}/v2/app/manifests/tag`;
                const put = { method: "PUT", headers: { authorization }, body: "{}" };
                assert.equal((await fetch(url, put)).status, 200);
            }
            // If asked to close, the registry may do so before the front has written everything.
            assert.deepEqual(asked, ["keep-alive", "keep-alive"]);
            assert.equal(sockets.size, 2);
            await until("both are closed", () =>
                Promise.resolve([...sockets].every((one) => one.destroyed)),
            );
        } finally {
            front.close();
            front.closeAllConnections();
            registry.close();
            registry.closeAllConnections();
            rmSync(dir, { recursive: true });
        }
    });
});
