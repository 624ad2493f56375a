// core
import assert from "node:assert/strict";
import { connect as connectTls, type ConnectionOptions } from "node:tls";
import { Front, KINDS } from "./support/front.ts";
import { connect, LEVELS, packet, property, publish, subscribe } from "./support/packets.ts";

const OLD = "ALL:@SECLEVEL=0";

/** Handshakes that the server itself refuses: this machine's OpenSSL would make them. */
const HANDSHAKES: [what: string, options: ConnectionOptions][] = [
    ["TLS 1.0", { minVersion: "TLSv1", maxVersion: "TLSv1", ciphers: OLD }],
    ["TLS 1.1", { minVersion: "TLSv1.1", maxVersion: "TLSv1.1", ciphers: OLD }],
    ["without authentication", { maxVersion: "TLSv1.2", ciphers: "aNULL:@SECLEVEL=0" }],
    ["without encryption", { maxVersion: "TLSv1.2", ciphers: "eNULL:@SECLEVEL=0" }],
    ["without forward secrecy", { maxVersion: "TLSv1.2", ciphers: "kRSA:@SECLEVEL=0" }],
];

const PROTOCOLS: [name: string, level: number][] = [
    ...[0, 1, 2, 6, 0x7f, 0x85, 0xff].map((level): [string, number] => ["MQTT", level]),
    ...["MQIsdp", "mqtt", "MQTT\0", "MQTTS", ""].map((name): [string, number] => [name, 4]),
];

/** First packets that are no CONNECT. */
const FIRST: [what: string, bytes: Buffer][] = [
    ["a PUBLISH", publish({ level: 4, topic: "alice/a", payload: "no CONNECT" })],
    ["a SUBSCRIBE", subscribe({ level: 4, filters: ["#"] })],
    ["a PINGREQ", packet(0xc0)],
    ["a DISCONNECT", packet(0xe0)],
    ["an AUTH", packet(0xf0, Buffer.from([0x18, 0]))],
    ["a CONNACK", packet(0x20, Buffer.from([0, 0]))],
    ["a PUBREL", packet(0x62, Buffer.from([0, 1]))],
];

for (const kind of KINDS) {
    describe(`connections to ${kind.name}`, function () {
        this.timeout(60_000);
        const front = new Front(kind);

        /** Does an attack of which a user who may read everything must see nothing. */
        async function unseen(attack: () => Promise<void>): Promise<void> {
            const admin = await front.watch("admin", "#");
            await attack();
            admin.send(publish({ level: 5, topic: "last", payload: "the last one" }));
            await admin.until("the last one", () => admin.payloads.includes("the last one"));
            assert.deepEqual(admin.payloads, ["the last one"]);
        }

        it("a client without TLS gets no answer, with the right password neither", async () => {
            for (const [level] of LEVELS) {
                const socket = await front.plain();
                const came: Buffer[] = [];
                socket.on("data", (bytes: Buffer) => came.push(bytes));
                socket.on("error", () => undefined);
                const closed = new Promise((resolve) => socket.once("close", resolve));
                const password = front.passwords.get("alice")!;
                socket.write(connect({ level, clientId: "plain", username: "alice", password }));
                await closed;
                // At most a TLS alert.
                assert.ok([undefined, 0x15].includes(Buffer.concat(came)[0]));
            }
        });

        for (const [what, options] of HANDSHAKES) {
            it(`a handshake ${what}: refused`, async () => {
                const socket = await front.plain();
                const code = await new Promise<string>((resolve) => {
                    const secured = connectTls({ socket, ...options, rejectUnauthorized: false });
                    secured.once("secureConnect", () => resolve("accepted"));
                    secured.once("error", (error: NodeJS.ErrnoException) => {
                        resolve(error.code ?? error.message);
                    });
                });
                socket.destroy();
                assert.match(code, /ALERT|ECONNRESET/);
            });
        }

        for (const [protocol, level] of PROTOCOLS) {
            it(`the protocol ${JSON.stringify(protocol)} of level ${level} without a password: refused`, async () => {
                const client = await front.open(4);
                client.send(connect({ protocol, level, clientId: "attacker" }));
                await client.until("the end", () => client.ended);
                assert.notEqual(client.connack, 0);
            });
        }

        for (const [what, bytes] of FIRST) {
            it(`${what} before CONNECT has no effect`, async () => {
                await unseen(async () => {
                    const client = await front.open(4);
                    client.send(bytes);
                    await client.until("the end", () => client.ended);
                    assert.deepEqual(client.packets, []);
                });
            });
        }

        it("a refused login sends no will and no message, and subscribes to nothing", async () => {
            await unseen(async () => {
                for (const [level] of LEVELS) {
                    const client = await front.open(level);
                    const will = { topic: "alice/will", payload: "not let in", retain: true };
                    client.send(
                        connect({
                            level,
                            clientId: "attacker",
                            username: "alice",
                            password: "",
                            will,
                        }),
                        publish({ level, topic: "alice/a", payload: "not let in" }),
                        subscribe({ level, filters: ["#"] }),
                    );
                    await client.until("the end", () => client.ended);
                    assert.equal(client.granted, undefined);
                }
            });
        });

        it("a second CONNECT makes bob nobody else", async () => {
            await unseen(async () => {
                for (const [level] of LEVELS) {
                    const bob = await front.logIn("bob", { level });
                    const password = front.passwords.get("admin")!;
                    bob.send(
                        connect({ level, clientId: "second", username: "admin", password }),
                        publish({ level, topic: "alice/a", payload: "as admin" }),
                        subscribe({ level, filters: ["alice/#"] }),
                    );
                    await bob.until("the end", () => bob.ended);
                    assert.equal(bob.packets.filter(({ cmd }) => cmd === "connack").length, 1);
                    assert.equal(bob.granted, undefined);
                }
            });
        });

        it("enhanced authentication beside the right password: refused", async () => {
            const password = front.passwords.get("alice")!;
            const properties = [property.authenticationMethod("SCRAM-SHA-256")];
            await front.refuses({ level: 5, username: "alice", password, properties });
        });

        for (const reason of [0x00, 0x18, 0x19]) {
            it(`an AUTH packet (0x${reason.toString(16)}) makes bob nobody else`, async () => {
                const bob = await front.logIn("bob");
                const method = property.authenticationMethod("PLAIN");
                const data = property.authenticationData("\0admin\0admin");
                const length = method.length + data.length;
                bob.send(
                    packet(0xf0, Buffer.from([reason, length]), method, data),
                    subscribe({ level: 5, filters: ["alice/#"] }),
                );
                await bob.until("the end", () => bob.ended);
                assert.equal(bob.granted, undefined);
            });
        }
    });
}
