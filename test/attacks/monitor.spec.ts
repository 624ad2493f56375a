/**
 * Attacks on the monitor, which answers on Fly's private network, and on what it uses in the broker. The edge makes no
 * difference to it. `test/broker/monitor` has the slow requests, and the modes of its socket and of its password's files.
 */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { connect as connectTcp } from "node:net";
import { MONITOR_PORT, MQTT_PORT } from "../../broker/conf.ts";
import { getFrom } from "../../dev/harness/brokerContainer.ts";
import { until } from "../../dev/harness/until.ts";
import { Front, KINDS } from "./support/front.ts";
import { connect, publish, subscribe } from "./support/packets.ts";

/** Paths that a careless server would look up, run or expand. */
const PATHS = [
    ...["/", "//", "/.", "/*", "*", "?", "", "/health/", "/health/..", "/Health", "/health%00"],
    ...["/../../etc/mosquitto/passwd", "/..%2f..%2fetc%2fpasswd", "//etc/mosquitto/passwd"],
    ...["/metrics/../../../etc/mosquitto/certs/server.key", "file:///etc/mosquitto/passwd"],
    ...["http://127.0.0.1:9883/etc/passwd", "/health;id", "/`id`", "/$(id)", "/${dir}", "/-e"],
    ...["/%24(id)", "/\\etc\\passwd", "/health?x=$(cat${IFS}/etc/mosquitto/passwd)"],
    ...["/health:1", "/metrics:1", `/${"a".repeat(10_000)}`],
];

const METHODS = [
    "POST",
    "PUT",
    "PATCH",
    "DELETE",
    "OPTIONS",
    "TRACE",
    "CONNECT",
    "get",
    "GET:/health",
];

/** Bytes that are no HTTP request. */
const BYTES: Record<string, Buffer> = {
    "random bytes": randomBytes(5000),
    NULs: Buffer.alloc(5000),
    "an MQTT CONNECT": connect({ level: 4, clientId: "a" }),
    "a TLS handshake": Buffer.from(`16030100${"ff".repeat(200)}`, "hex"),
    "the start of HTTP/2": Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    "a PROXY header": Buffer.from("PROXY TCP4 1.2.3.4 1.2.3.4 1 2\r\nGET / HTTP/1.1\r\n\r\n"),
    "five megabytes without a line end": Buffer.alloc(5 << 20, "a"),
    "five megabytes of header lines": Buffer.from(
        `GET / HTTP/1.1\r\n${"a: b\r\n".repeat(800_000)}\r\n`,
    ),
    "an endless header": Buffer.from(`GET / HTTP/1.1\r\nHost: ${"a".repeat(5 << 20)}`),
};

const FORM =
    /^HTTP\/1\.1 (\d{3}) [A-Za-z ]+\r\nContent-Type: text\/plain[^\r\n]*\r\nContent-Length: \d+\r\nConnection: close\r\n\r\n[^]*$/;

for (const kind of KINDS.filter(({ tls }) => tls === "broker")) {
    describe(`attacks on the monitor of ${kind.name}`, function () {
        this.timeout(60_000);
        const front = new Front(kind);

        before(() =>
            until("a passing check", async () => {
                const answer = await getFrom(front.broker, "/health").catch(() => undefined);
                return answer?.status === 200;
            }),
        );
        afterEach(async () => {
            const { status, text } = await getFrom(front.broker, "/health");
            assert.equal(status, 200, text);
        });

        /** Sends bytes to the monitor. @returns all that comes until it hangs up */
        async function send(bytes: Buffer | string): Promise<string> {
            const socket = connectTcp(MONITOR_PORT, await front.broker.privateAddress());
            let came = "";
            socket.on("data", (chunk: Buffer) => (came += chunk.toString("latin1")));
            socket.on("error", () => undefined);
            socket.write(bytes);
            await new Promise((resolve) => socket.once("close", resolve));
            return came;
        }

        const statusOf = (answer: string) => Number(FORM.exec(answer)?.[1]);

        for (const path of PATHS) {
            it(`the path ${JSON.stringify(path.slice(0, 60))} is not found`, async () => {
                const answer = await send(`GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`);
                assert.equal(statusOf(answer), 404, answer);
                assert.match(answer, /\r\n\r\nonly \/health and \/metrics exist\n$/);
            });
        }

        for (const method of METHODS) {
            it(`the method ${method} does nothing`, async () => {
                const answer = await send(`${method} /health HTTP/1.1\r\nCookie: secret\r\n\r\n`);
                assert.equal(statusOf(answer), 404, answer);
                assert.doesNotMatch(answer, /secret/);
            });
        }

        describe("in place of a request", () => {
            const answers = new Map<string, Promise<string>>();

            // At once, since the monitor waits for most of them until it hangs up.
            before(() => {
                for (const [what, bytes] of Object.entries(BYTES)) answers.set(what, send(bytes));
            });

            for (const what of Object.keys(BYTES)) {
                it(`${what} gets no answer but "not found"`, async () => {
                    const answer = await answers.get(what)!;
                    if (answer !== "") assert.equal(statusOf(answer), 404, answer);
                });
            }
        });

        it("a Host header of any kind is not repeated, and no other site may read the answer", async () => {
            for (const host of [
                "evil.example",
                "127.0.0.1",
                "$(id)",
                "a\r\nHost: b",
                "x".repeat(5000),
            ]) {
                const headers = `Host: ${host}\r\nOrigin: http://evil.example\r\nX-Forwarded-Host: evil.example`;
                const answer = await send(`GET /health HTTP/1.1\r\n${headers}\r\n\r\n`);
                assert.equal(statusOf(answer), 200, answer);
                assert.doesNotMatch(answer, /evil|Access-Control|Location/i);
            }
        });

        it("a second request behind the first is not answered", async () => {
            const answer = await send("GET /health HTTP/1.1\r\n\r\nGET /metrics HTTP/1.1\r\n\r\n");
            assert.equal(answer.match(/HTTP\/1\.1/g)?.length, 1);
            const body = "Content-Length: 32\r\n\r\nGET /metrics HTTP/1.1\r\n\r\n";
            assert.equal(
                (await send(`GET /health HTTP/1.1\r\n${body}`)).match(/HTTP\/1\.1/g)?.length,
                1,
            );
        });

        it("the metrics name no user, client or topic", async () => {
            const alice = await front.logIn("alice", { clientId: "alice-phone" });
            alice.send(publish({ level: 5, topic: "alice/secret", payload: "s", qos: 1 }));
            await alice.settled();
            const { text } = await getFrom(front.broker, "/metrics");
            assert.match(text, /^mosquitto_up 1$/m);
            assert.doesNotMatch(text, /alice|secret|appkata-monitor/);
        });

        it("no other port of the machine is open", async () => {
            const tables = await front.broker.exec("cat", "/proc/net/tcp", "/proc/net/tcp6");
            // `sl local_address rem_address st`: 0A is a socket that listens.
            const ports = [
                ...tables.matchAll(/^ *\d+: [0-9A-F]+:([0-9A-F]{4}) [0-9A-F:]+ 0A /gm),
            ].map(([, port]) => parseInt(port!, 16));
            assert.deepEqual([...new Set(ports)].toSorted(), [MQTT_PORT, MONITOR_PORT]);
        });

        const OWN_TOPICS = {
            "the monitor's message": ["$appkata/monitor", "99999999"],
            "a command to the plugin that grants subscriptions": [
                "$CONTROL/dynamic-security/v1",
                JSON.stringify({ commands: [{ command: "disableClient", username: "alice" }] }),
            ],
            "a command to the broker": [
                "$CONTROL/broker/v1",
                JSON.stringify({ commands: [{ command: "listListeners" }] }),
            ],
            "a figure of the broker": ["$SYS/broker/uptime", "1 seconds"],
            "a bridge's state": ["$SYS/broker/connection/x/state", "1"],
        };
        for (const [what, [topic, payload]] of Object.entries(OWN_TOPICS)) {
            it(`${what} is not taken from a user who may do everything`, async () => {
                const alice = await front.logIn("alice");
                const admin = await front.logIn("admin");
                admin.send(
                    subscribe({ level: 5, filters: ["#", "$CONTROL/#", "$SYS/#", "$appkata/#"] }),
                );
                await admin.settled();
                assert.deepEqual(admin.granted, [0, 0x87, 0x87, 0x87]);
                admin.send(publish({ level: 5, topic: topic!, payload: payload!, qos: 1 }));
                await admin.settled();
                const answer = admin.packets.findLast(({ cmd }) => cmd === "puback");
                assert.equal(answer?.cmd === "puback" && answer.reasonCode, 0x87);
                assert.deepEqual(admin.payloads, []);
                assert.ok(await alice.settled());
                await front.logIn("alice");
            });
        }
    });
}
