/**
 * Attacks on the local Fly by web pages, other programs and other users of the same machine. `test/local/hostile` has
 * malformed values, names that each JavaScript object has, and image references.
 */
import assert from "node:assert/strict";
import { existsSync, lstatSync, readdirSync } from "node:fs";
import { connect } from "node:net";
import path from "node:path";
import { AttackedFly, bearer, bodyOf, OPEN } from "./support/attackedFly.ts";

describe("attacks on the local Fly's server", function () {
    this.timeout(120_000);
    const theirs = new AttackedFly();

    it("a web page of another site can neither read nor change anything", async () => {
        const origin = { origin: "http://evil.example", "sec-fetch-site": "cross-site" };
        for (const route of theirs.routes) {
            const [method, to] = theirs.filled(route);
            const asked = {
                "access-control-request-method": method,
                "access-control-request-headers": "authorization",
            };
            const preflight = await theirs.ask("OPTIONS", to, { headers: { ...origin, ...asked } });
            const headers = { ...origin, "content-type": "text/plain" };
            const simple = await theirs.ask(method, to, { headers, body: bodyOf(method) });
            for (const answer of [preflight, simple]) {
                const allowed = Object.keys(answer.headers).filter((one) =>
                    one.startsWith("access-control"),
                );
                assert.deepEqual(allowed, [], route);
            }
            assert.equal(preflight.status, 404, route);
            assert.equal(simple.status, route === OPEN ? 200 : 401, route);
        }
    });

    it("a web page whose host name leads to this machine (DNS rebinding) has no token", async () => {
        for (const [port, to] of [
            [theirs.port, "/v1/apps/theirs"],
            [theirs.port, "/_local/state"],
            [theirs.registryPort, "/v2/theirs/tags/list"],
        ] as const) {
            const host = `evil.example:${port}`;
            const headers = { host, origin: `http://${host}` };
            assert.equal((await theirs.ask("GET", to, { port, headers })).status, 401, to);
        }
    });

    it("a body with __proto__ changes no other object", async () => {
        const evil = '{"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}}}';
        const config = `{"image":"${theirs.image}","env":${evil},"metadata":${evil},"guest":${evil}}`;
        for (const [method, to, body] of [
            ["POST", "/v1/apps", '{"name":"p","org_slug":"personal","__proto__":{"polluted":1}}'],
            ["POST", "/v1/apps/theirs/secrets", `{"values":${evil}}`],
            ["POST", "/v1/apps/theirs/machines", `{"skip_launch":true,"config":${config}}`],
            [
                "PATCH",
                `/v1/apps/theirs/machines/${theirs.machine}/metadata`,
                `{"metadata":${evil}}`,
            ],
            ["PUT", "/_local/settings", evil],
        ] as const) {
            const answer = await theirs.ask(method, to, {
                headers: bearer(theirs.fly.token),
                body,
            });
            assert.ok(answer.status < 500, answer.text);
            assert.equal(({} as { polluted?: number }).polluted, undefined, to);
        }
    });

    it("a machine's file with a path of this machine stays within the machine", async () => {
        const name = `appkata-attack-${process.pid}`;
        const files = [{ guest_path: `/../../../../../../tmp/${name}`, raw_value: "eA==" }];
        const config = { image: theirs.image, files };
        const made = await theirs.api.call("POST", "/apps/theirs/machines", { config });
        assert.equal(made.status, 200, made.text);
        assert.ok(!existsSync(path.join("/tmp", name)));
    });

    it("a body that is too large is refused", async () => {
        const headers = bearer(theirs.fly.token);
        const body = `{"name":"${"a".repeat(33 << 20)}"}`;
        // The server hangs up once it has answered, perhaps before the client reads that.
        const answer = await theirs
            .ask("POST", "/v1/apps", { headers, body })
            .catch((error: NodeJS.ErrnoException) => ({ status: error.code }));
        assert.ok([413, "EPIPE", "ECONNRESET"].includes(answer.status!), `${answer.status}`);
    });

    it("a body of brackets within brackets is refused", async () => {
        const headers = bearer(theirs.fly.token);
        const deep = "[".repeat(200_000) + "]".repeat(200_000);
        const image = `"image":"${theirs.image}"`;
        for (const [to, body] of [
            ["/v1/apps", deep],
            ["/v1/apps", `{"name":${deep},"org_slug":"personal"}`],
            ["/v1/apps/theirs/machines", `{"config":${deep}}`],
            ["/v1/apps/theirs/machines", `{"config":{${image},"metadata":{"a":${deep}}}}`],
            ["/v1/apps/theirs/machines", `{"config":{${image},"unknown":${deep}}}`],
        ] as const) {
            const answer = await theirs.ask("POST", to, { headers, body });
            assert.equal(answer.status, 400, `${to}: ${answer.text.slice(0, 100)}`);
        }
    });

    for (const [what, bytes] of Object.entries({
        "a header of a megabyte": `GET / HTTP/1.1\r\nHost: ${"a".repeat(1 << 20)}`,
        "a path of a megabyte": `GET /${"a".repeat(1 << 20)} HTTP/1.1\r\n\r\n`,
        "a TLS handshake": "\x16\x03\x01\0\xff",
        NULs: "\0".repeat(5000),
        "a body of two lengths":
            "POST /v1/apps HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    })) {
        it(`${what} ends that connection alone`, async () => {
            const socket = connect(theirs.port, "127.0.0.1");
            socket.on("error", () => undefined).resume();
            socket.write(bytes);
            await new Promise((resolve) => socket.once("close", resolve));
        });
    }

    it("requests that never end keep no others out", async () => {
        const open = Array.from({ length: 300 }, () => connect(theirs.port, "127.0.0.1"));
        for (const socket of open) {
            socket.on("error", () => undefined);
            socket.write("POST /v1/apps HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n");
        }
        await theirs.api.ok("GET", "/apps/theirs");
        for (const socket of open) socket.destroy();
    });

    it("another user of this machine can read none of its files but the public CA", () => {
        const { dir, fly } = theirs;
        const files = readdirSync(dir, { recursive: true, encoding: "utf8" });
        assert.ok(files.includes("state.json"));
        assert.equal(lstatSync(dir).mode & 0o077, 0, "the folder");
        const open = files.filter((file) => (lstatSync(path.join(dir, file)).mode & 0o077) !== 0);
        // The registry's are its own program's, within a folder that is closed.
        const others = open.filter((file) => !file.startsWith("registry"));
        assert.deepEqual(others, [path.basename(fly.publicCaFile)]);
    });
});
