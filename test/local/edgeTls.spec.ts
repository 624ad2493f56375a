import assert from "node:assert/strict";
import { readFileSync, statSync } from "node:fs";
import { request } from "node:http";
import type { IncomingMessage } from "node:http";
import { connect as connectTcp } from "node:net";
import { join } from "node:path";
import { connect } from "node:tls";
import type { ConnectionOptions, TLSSocket } from "node:tls";
import { startLocalFly } from "../../dev/fly/index.ts";
import type { LocalFly } from "../../dev/fly/index.ts";
import { Api } from "../../dev/harness/api.ts";
import { pushImage } from "../../dev/harness/image.ts";

/** Echoes what a connection sent, once the sender has ended. */
const ECHO = "nc -ll -p 7000 -e /bin/cat";
/** Answers with the request's head, or, after an upgrade, echoes. */
const HTTP = `cat > /tmp/s <<'END'
CR=$(printf '\\r')
read -r first; head="$first"; answer="200 OK"
while read -r line && [ "$line" != "$CR" ]; do
  head="$head
$line"; case "$line" in [Uu]pgrade:*) answer=101;; esac
done
if [ "$answer" = 101 ]; then
  printf 'HTTP/1.1 101 Switching Protocols\\r\\nConnection: Upgrade\\r\\nUpgrade: websocket\\r\\n\\r\\n'
  exec cat
fi
printf 'HTTP/1.1 200 OK\\r\\nConnection: close\\r\\n\\r\\n%s' "$head"
END
nc -ll -p 7000 -e /bin/sh /tmp/s`;

describe("local Fly: the edge's handlers", function () {
    this.timeout(60_000);
    let fly: LocalFly;
    let api: Api;
    /** Addresses of the app `one`, and the shared address, which `two` has too. */
    let own: string;
    let shared: string;

    const publicCa = () => readFileSync(fly.publicCaFile, "utf8");
    const start = async (app: string, command: string, ports: Record<string, unknown>[]) =>
        api.start(app, {
            image: await pushImage(fly, app),
            init: { exec: ["/bin/sh", "-c", command] },
            services: [{ protocol: "tcp", internal_port: 7000, ports, autostart: false }],
        });

    before(async () => {
        fly = await startLocalFly();
        api = new Api(fly);
        for (const app of ["one", "two"]) await api.app(app);
        const give = (app: string, type: string) =>
            api.ok<{ ip: string }>("POST", `/apps/${app}/ip_assignments`, { type });
        own = (await give("one", "v4")).ip;
        shared = (await give("one", "shared_v4")).ip;
        await give("two", "shared_v4");
        const tls = { handlers: ["tls"], tls_options: { alpn: ["mqtt"] } };
        await start("one", ECHO, [
            { port: 8883, ...tls },
            { port: 8884, ...tls, tls_options: { versions: ["TLSv1.3"] } },
            { port: 8885, handlers: ["tls", "proxy_proto"] },
            { port: 10000 },
        ]);
        await start("two", HTTP, [
            { port: 80, handlers: ["http"], force_https: true },
            { port: 8080, handlers: ["http"] },
            { port: 443, handlers: ["tls", "http"] },
            { port: 8883, handlers: ["tls"] },
        ]);
    });
    after(() => fly?.close());

    /** Result of a handshake. */
    function secure(port: number, more: ConnectionOptions = {}): Promise<TLSSocket> {
        const options = { host: own, servername: "one.fly.dev", ca: publicCa(), port, ...more };
        return new Promise((resolve, reject) => {
            const socket = connect({ ...options, allowHalfOpen: true } as ConnectionOptions, () =>
                resolve(socket),
            );
            socket.once("error", reject);
        });
    }

    /** Sends `text` and returns the answer. */
    async function say(socket: TLSSocket, text: string): Promise<string> {
        socket.end(text);
        let answer = "";
        for await (const chunk of socket as AsyncIterable<Buffer>) answer += chunk.toString();
        return answer;
    }

    async function refused(port: number, more: ConnectionOptions, code: RegExp): Promise<void> {
        await assert.rejects(secure(port, more), (error: NodeJS.ErrnoException) =>
            code.test(`${error.code} ${error.message}`),
        );
    }

    it("end TLS with a certificate for APP.fly.dev by a public CA", async () => {
        const socket = await secure(8883);
        assert.equal(socket.authorized, true);
        assert.equal(socket.getProtocol(), "TLSv1.3");
        assert.match(socket.getPeerCertificate().subjectaltname ?? "", /DNS:\*\.fly\.dev/);
        assert.equal(await say(socket, "in clear"), "in clear");
        await refused(8883, { ca: [] }, /UNABLE_TO_VERIFY|SELF_SIGNED|UNABLE_TO_GET_ISSUER/);
    });

    it("keep the CA's keys private", () => {
        const mode = (name: string) => statSync(join(fly.dir, name)).mode & 0o777;
        assert.equal(mode("public-ca.key"), 0o600);
        assert.equal(mode("edge.key"), 0o600);
        assert.doesNotMatch(publicCa(), /PRIVATE/);
    });

    it("accept TLS 1.2 and 1.3 with Fly's ciphers, or the port's own settings", async () => {
        const old = await secure(8883, { maxVersion: "TLSv1.2" });
        assert.equal(old.getProtocol(), "TLSv1.2");
        old.destroy();
        await refused(8884, { maxVersion: "TLSv1.2" }, /PROTOCOL_VERSION/i);
        await refused(8883, { maxVersion: "TLSv1.1", minVersion: "TLSv1.1" }, /PROTOCOL|EPROTO/i);
        const cbc = { maxVersion: "TLSv1.2", ciphers: "ECDHE-ECDSA-AES128-SHA256" } as const;
        await refused(8883, cbc, /HANDSHAKE_FAILURE|NO_SHARED_CIPHER/i);
    });

    it("negotiate only the port's protocols", async () => {
        const socket = await secure(8883, { ALPNProtocols: ["x", "mqtt"] });
        assert.equal(socket.alpnProtocol, "mqtt");
        socket.destroy();
        await refused(8883, { ALPNProtocols: ["http/1.1"] }, /NO_APPLICATION_PROTOCOL/i);
    });

    it("route a shared address by name, and refuse clients without one", async () => {
        assert.equal(await say(await secure(8883, { host: shared }), "one"), "one");
        const two = await secure(8883, { host: shared, servername: "two.fly.dev" });
        assert.match(await say(two, "GET / HTTP/1.0\r\n\r\n"), /^HTTP\/1\.1 200/);
        const stranger = { host: shared, servername: "three.fly.dev" };
        await refused(8883, stranger, /HANDSHAKE_FAILURE|ALERT/i);
        await refused(8883, { host: shared, servername: "" }, /HANDSHAKE_FAILURE|ALERT/i);
        await assert.rejects(
            new Promise((_, reject) => connectTcp(10000, shared).once("error", reject)),
            /ECONNREFUSED/,
        );
    });

    it("refuse MQTT without TLS", async () => {
        const socket = connectTcp(8883, own);
        socket.on("error", () => undefined);
        socket.write(Buffer.from("100c00044d5154540402003c0000", "hex"));
        let answer = Buffer.alloc(0);
        socket.on("data", (chunk) => (answer = Buffer.concat([answer, chunk])));
        await new Promise((resolve) => socket.once("close", resolve));
        assert.doesNotMatch(answer.toString("latin1"), /^[\x10\x20]/);
    });

    it("tell a machine the client's address, also with TLS", async () => {
        const answer = await say(await secure(8885), "body");
        assert.match(answer, new RegExp(`^PROXY TCP4 127\\S+ ${own} \\d+ 8885\r\nbody$`));
    });

    /** Sends a request to the shared address. */
    function get(
        port: number,
        host: string,
        headers: Record<string, string> = {},
        socket?: TLSSocket,
    ): Promise<{ answer: IncomingMessage; body: string }> {
        return new Promise((resolve, reject) => {
            const asked = request({
                ...(socket ? { createConnection: () => socket } : { host: shared, port }),
                path: "/where?x=1",
                headers: { host, ...headers },
            });
            asked.once("error", reject);
            asked.once("response", (answer) => {
                let body = "";
                answer.on("data", (chunk: Buffer) => (body += chunk.toString()));
                answer.once("end", () => resolve({ answer, body }));
            });
            asked.end();
        });
    }

    it("forward requests with Fly's headers", async () => {
        const options = {
            host: shared,
            servername: "two.fly.dev",
            ALPNProtocols: ["h2", "http/1.1"],
        };
        const socket = await secure(443, options);
        assert.equal(socket.alpnProtocol, "http/1.1");
        const { answer, body } = await get(443, "two.fly.dev", { "x-mine": "kept" }, socket);
        assert.equal(answer.statusCode, 200);
        assert.equal(answer.headers.via, "1.1 fly.io");
        assert.match(body, /^GET \/where\?x=1 HTTP\/1\.1/);
        for (const line of [
            /^x-mine: kept/m,
            /^fly-client-ip: 127\./m,
            /^x-forwarded-proto: https/m,
            /^x-forwarded-ssl: on/m,
            /^fly-forwarded-port: 443/m,
        ]) {
            assert.match(body, line);
        }
    });

    it("find the app by the host name without TLS, and redirect to HTTPS if forced", async () => {
        const { answer, body } = await get(8080, "two.fly.dev:8080");
        assert.equal(answer.statusCode, 200);
        assert.match(body, /^x-forwarded-proto: http\r?$/m);
        assert.equal((await get(8080, "three.fly.dev")).answer.statusCode, 404);
        const moved = (await get(80, "two.fly.dev")).answer;
        assert.equal(moved.statusCode, 301);
        assert.equal(moved.headers.location, "https://two.fly.dev/where?x=1");
    });

    it("upgrade a connection to the machine", async () => {
        const socket = await secure(443, { host: shared, servername: "two.fly.dev" });
        const asked = request({
            createConnection: () => socket,
            headers: { host: "two.fly.dev", connection: "Upgrade", upgrade: "websocket" },
        });
        asked.end();
        const answer = await new Promise<IncomingMessage>((resolve, reject) => {
            asked.once("upgrade", resolve).once("error", reject);
        });
        assert.equal(answer.statusCode, 101);
        assert.equal(answer.headers.upgrade, "websocket");
        socket.write("frames");
        const [chunk] = await new Promise<Buffer[]>((resolve) =>
            socket.once("data", (data: Buffer) => resolve([data])),
        );
        assert.equal(chunk?.toString(), "frames");
        const closed = new Promise((resolve) => socket.once("close", resolve));
        socket.destroy();
        await closed;
    });

    it("answer 503 when no machine is started", async () => {
        const [machine] = await api.ok<{ id: string; instance_id: string }[]>(
            "GET",
            "/apps/two/machines",
        );
        await api.stop("two", await api.machine("two", machine!.id));
        assert.equal((await get(8080, "two.fly.dev")).answer.statusCode, 503);
    });
});
