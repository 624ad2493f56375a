import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:net";
import type { AddressInfo, Socket } from "node:net";
import type { Step } from "../../verification/verify.ts";
import { lacksIPv6 } from "../../verification/handshake.ts";
import { verify } from "../../verification/verify.ts";
import type { Target } from "../../verification/target.ts";
import { issue, makeAuthority } from "../support/certificates.ts";
import type { Authority, ServerCertificate } from "../support/certificates.ts";
import { FaultyBroker } from "../support/faultyBroker.ts";
import type { BrokerBehaviour } from "../support/faultyBroker.ts";

const HOSTNAME = "appkata-test.fly.dev";
const ADA = { username: "ada", password: "ada's password" };
const USERS = { ada: ADA.password, grace: "grace's password" };
const HOUR = 3600 * 1000;

describe("verification of a broker", () => {
    let authority: Authority;
    let certificate: ServerCertificate;
    const opened: { close(): Promise<void> }[] = [];

    before(async () => {
        authority = await makeAuthority();
        certificate = await issue(authority, [HOSTNAME, "127.0.0.1"]);
    });

    afterEach(async () => {
        for (const each of opened.splice(0)) await each.close();
    });

    function targetAt(port: number, more: Partial<Target> = {}): Target {
        return {
            address: "127.0.0.1",
            port,
            hostname: HOSTNAME,
            caPem: authority.pem,
            tls: "broker",
            verifier: ADA,
            users: { grace: USERS.grace },
            deadlineSeconds: 1,
            ...more,
        };
    }

    async function start(
        behaviour: Partial<BrokerBehaviour>,
        port?: number,
    ): Promise<FaultyBroker> {
        const broker = await FaultyBroker.start({ certificate, users: USERS, ...behaviour }, port);
        opened.push(broker);
        return broker;
    }

    /** Verifies a broker that behaves so. */
    async function stepsOf(behaviour: Partial<BrokerBehaviour>, more: Partial<Target> = {}) {
        const { port } = await start(behaviour);
        return verify(targetAt(port, more), { stepTimeoutMs: 1000 });
    }

    it("passes one that is right in all, step by step", async () => {
        const seen: Step[] = [];
        const { port } = await start({});
        const steps = await verify(targetAt(port), { onStep: (step) => seen.push(step) });
        assert.deepEqual(
            steps.map(({ name, ok }) => [name, ok]),
            [
                ["tls", true],
                ["round trip", true],
                ["login", true],
                ["grants", true],
                ["no password", true],
                ["wrong password", true],
                ["no TLS", true],
                ["other CA", true],
            ],
        );
        assert.deepEqual(seen, steps);
    });

    it("leaves no session, no subscription and no message behind", async () => {
        const { port, broker } = await start({});
        const gone = once(broker, "clientDisconnect");
        await verify(targetAt(port));
        await gone;
        const persistence = broker as unknown as {
            persistence: {
                countOffline(): Promise<{ subsCount: number; clientsCount: number }>;
                createRetainedStreamCombi(patterns: string[]): AsyncIterable<unknown>;
            };
        };
        const left = await persistence.persistence.countOffline();
        assert.deepEqual(left, { subsCount: 0, clientsCount: 0 });
        for await (const packet of persistence.persistence.createRetainedStreamCombi(["#"])) {
            assert.fail(`retained: ${JSON.stringify(packet)}`);
        }
    });

    it("waits for an address that does not answer yet", async () => {
        const reserved = await start({});
        const { port } = reserved;
        await opened.pop()!.close();
        const verified = verify(targetAt(port, { deadlineSeconds: 30 }));
        await start({}, port);
        assert.deepEqual(failures(await verified), []);
    });

    it("knows the server by an old and a new CA, each alone", async () => {
        const other = await makeAuthority("Old CA");
        const server = await issue(authority, [HOSTNAME], { crossed: other });
        const bundle = { caPem: `${other.pem}\n${authority.pem}` };
        const steps = await stepsOf({ certificate: server }, bundle);
        assert.deepEqual(failures(steps), []);
        assert.match(steps[0]!.text, /, by each of our 2 CAs, /);
    });

    describe("that is wrong in one thing", () => {
        /** What must fail, and what the line of it must say. */
        const expectFailure = (steps: Step[], name: Step["name"], text: RegExp) => {
            assert.deepEqual(failures(steps), [name]);
            assert.match(steps.find((step) => step.name === name)!.text, text);
        };

        it("fails the TLS step over a certificate by another CA", async () => {
            const foreign = await issue(await makeAuthority("Another CA"), [HOSTNAME]);
            const steps = await stepsOf({ certificate: foreign });
            expectFailure(steps, "tls", /signed by our CA.*saw: a certificate that the CA did not/);
            assert.equal(steps.length, 1, "nothing else is tried");
        });

        it("fails the TLS step when only clients of one of two CAs get in", async () => {
            const other = await makeAuthority("Old CA");
            const steps = await stepsOf({}, { caPem: `${authority.pem}\n${other.pem}` });
            expectFailure(steps, "tls", /expected a client that trusts only CN=Old CA to trust/);
        });

        it("fails the TLS step over a certificate for another name", async () => {
            const other = await issue(authority, ["someone-else.fly.dev"]);
            const steps = await stepsOf({ certificate: other });
            expectFailure(steps, "tls", /someone-else\.fly\.dev/);
        });

        it("fails the TLS step over a certificate for the address alone", async () => {
            const steps = await stepsOf({ certificate: await issue(authority, ["127.0.0.1"]) });
            expectFailure(steps, "tls", /saw: .*appkata-test\.fly\.dev/);
        });

        it("fails the TLS step over a certificate that has expired", async () => {
            const expired = await issue(authority, [HOSTNAME], {
                notAfter: new Date(Date.now() - HOUR),
            });
            const steps = await stepsOf({ certificate: expired });
            expectFailure(steps, "tls", /saw: a certificate that has expired/);
        });

        it("fails the TLS step when the port speaks something else", async () => {
            const port = await listen((socket) => socket.end("220 mail\r\n"));
            const steps = await verify(targetAt(port));
            expectFailure(steps, "tls", /saw: an answer that is not TLS/);
        });

        it("fails the TLS step when the port accepts and says nothing", async () => {
            const port = await listen(() => undefined);
            const steps = await verify(targetAt(port), { stepTimeoutMs: 200 });
            expectFailure(steps, "tls", /saw: a connection, but no TLS answer within/);
        });

        it("fails the TLS step when nothing listens", async () => {
            const { port } = await start({});
            await opened.pop()!.close();
            const steps = await verify(targetAt(port));
            expectFailure(steps, "tls", /saw: nothing listens there \(ECONNREFUSED\)/);
        });

        // TCP has no multicast, so no machine has a route for it to this address (RFC 4291).
        it("does not wait where this machine has no route to an IPv6 address", async () => {
            const steps = await verify(
                targetAt(8883, { address: "ff02::1", deadlineSeconds: 60 }),
                {
                    onWait: (line) => assert.fail(line),
                },
            );
            expectFailure(
                steps,
                "tls",
                /^this machine has no IPv6 route, so it cannot reach ff02::1 \(E\w+\); verify from a machine with IPv6, or give the app an IPv4 \(`appkata-mqtt:ipv4: true`\)$/,
            );
        });

        it("fails the round trip of a user who is not let in", async () => {
            const steps = await stepsOf({ users: { ...USERS, ada: "changed" } });
            expectFailure(steps, "round trip", /expected ada to be let in, saw: refused: not auth/);
        });

        it("fails the round trip when messages are not delivered", async () => {
            const steps = await stepsOf({ delivers: () => undefined });
            expectFailure(steps, "round trip", /saw: PUBACK, but no message within 1 s/);
        });

        it("fails the round trip when another payload comes back", async () => {
            const steps = await stepsOf({ delivers: () => Buffer.from("other") });
            expectFailure(steps, "round trip", /saw: another payload \(5 bytes\)/);
        });

        it("fails the login of another user who is not let in", async () => {
            const steps = await stepsOf({ users: { ...USERS, grace: "changed" } });
            expectFailure(steps, "login", /expected grace to be let in, saw: refused: not auth/);
        });

        for (const [what, topic] of [
            ["written where it may only be read", /-read-only\//],
            ["read where it may only be written", /-write-only\//],
            ["read and written where nothing is granted", /-not-granted\//],
        ] as const) {
            it(`fails when a topic is ${what}`, async () => {
                const steps = await stepsOf({ grantsToo: topic });
                expectFailure(
                    steps,
                    "grants",
                    /expected nothing that ada is not granted, saw: a message on appkata-mqtt\/\S+$/,
                );
                assert.match(steps.find(({ name }) => name === "grants")!.text, topic);
            });
        }

        it("fails when $SYS is read without a grant", async () => {
            const { port, broker } = await start({ grantsToo: /^\$SYS\// });
            const version = { topic: "$SYS/broker/version", payload: Buffer.from("1") };
            await new Promise<void>((done) =>
                broker.publish(
                    { cmd: "publish", qos: 0, dup: false, retain: true, ...version },
                    () => done(),
                ),
            );
            const steps = await verify(targetAt(port), { stepTimeoutMs: 1000 });
            expectFailure(steps, "grants", /saw: a message on \$SYS\/broker\/version$/);
        });

        it("fails when the connection ends over what is not granted", async () => {
            const steps = await stepsOf({ hangsUpOn: /-read-only\// });
            expectFailure(steps, "grants", /saw: the connection closed after PUBLISH$/);
        });

        it("fails when clients without user and password are let in", async () => {
            const admits = (user?: string, password?: string) =>
                user === undefined || USERS[user as keyof typeof USERS] === password;
            const steps = await stepsOf({ admits });
            expectFailure(steps, "no password", /expected .* without user and password, saw: acc/);
        });

        it("fails when a user without a password is let in", async () => {
            const admits = (user?: string, password?: string) =>
                user !== undefined && (password ?? USERS.ada) === USERS[user as keyof typeof USERS];
            const steps = await stepsOf({ admits });
            expectFailure(steps, "no password", /as ada without a password, saw: accepted/);
        });

        it("fails when the password is not checked", async () => {
            const steps = await stepsOf({ admits: (_user, password) => password !== undefined });
            expectFailure(steps, "wrong password", /"not authorized" as ada.*saw: accepted/);
        });

        it("fails when MQTT is spoken without TLS too", async () => {
            const steps = await stepsOf({ plain: (socket, broker) => void broker.handle(socket) });
            expectFailure(steps, "no TLS", /saw: CONNACK with return code 5/);
        });

        it("fails when what speaks no TLS is neither answered nor hung up on", async () => {
            const steps = await stepsOf({ plain: () => undefined });
            expectFailure(steps, "no TLS", /saw: neither an answer nor an end within 1 s/);
        });
    });

    describe("whose clients log in with certificates", () => {
        /** Verifies a broker that looks at nobody's certificate. */
        async function stepsWith(behaviour: Partial<BrokerBehaviour>): Promise<Step[]> {
            const { port } = await start(behaviour);
            const pair = { certificatePem: certificate.chain, privateKeyPem: certificate.key };
            const certificates = { port, own: pair, foreign: pair };
            return verify(targetAt(port, { users: {}, certificates }), { stepTimeoutMs: 500 });
        }

        it("fails when one without a certificate and a foreign one are let in", async () => {
            const steps = await stepsWith({ admits: () => true });
            assert.deepEqual(failures(steps), ["no certificate", "foreign certificate"]);
            for (const { text } of steps.filter(({ ok }) => !ok)) {
                assert.match(text, /^expected a TLS alert over .*, saw: no alert within 0\.5 s$/);
            }
        });

        it("fails when one with a good certificate is not let in", async () => {
            const steps = await stepsWith({ admits: () => false });
            const { text } = steps.find(({ name }) => name === "certificate")!;
            assert.match(text, /expected ada to be let in, saw: refused: not/);
        });

        it("does not take a closed connection for a refusal", async () => {
            const steps = await stepsWith({ secure: (socket) => socket.destroy() });
            for (const name of ["no certificate", "foreign certificate"] as const) {
                const { ok, text } = steps.find((step) => step.name === name)!;
                assert.equal(ok, false);
                assert.match(text, /saw: .*(closed without an alert|reset|disconnected)/);
            }
        });
    });

    for (const [address, code, lacks] of [
        ["2001:db8::1", "ENETUNREACH", true],
        ["2001:db8::1", "EHOSTUNREACH", true],
        ["2001:db8::1", "EAFNOSUPPORT", true],
        ["2001:db8::1", "EADDRNOTAVAIL", true],
        ["2001:db8::1", "ECONNREFUSED", false],
        ["2001:db8::1", undefined, false],
        ["192.0.2.1", "ENETUNREACH", false],
        ["::ffff:127.1.2.3", "ENETUNREACH", false],
        ["app.fly.dev", "ENETUNREACH", false],
    ] as const) {
        it(`takes ${code ?? "no code"} at ${address} for ${lacks ? "" : "anything but "}a lack of IPv6`, () => {
            assert.equal(lacksIPv6(address, code), lacks);
        });
    }

    describe("that is dead or unwell", () => {
        const REFUSALS = ["round trip", "login", "no password", "wrong password"];

        it("does not take a closed connection for a refusal", async () => {
            const steps = await stepsOf({ secure: (socket) => socket.destroy() });
            assert.deepEqual(failures(steps), REFUSALS);
            for (const step of steps.filter(({ ok }) => !ok)) {
                assert.match(step.text, /closed without an answer|reset|disconnected/);
            }
        });

        it("does not take silence for a refusal", async () => {
            const steps = await stepsOf({ secure: (socket) => socket.resume() });
            assert.deepEqual(failures(steps), REFUSALS);
            for (const step of steps.filter(({ ok }) => !ok)) {
                assert.match(step.text, /no answer to CONNECT within 1 s/);
            }
        });

        it("does not take 'server unavailable' for a refusal of the password", async () => {
            const steps = await stepsOf({ refusalCode: 3 });
            assert.deepEqual(failures(steps), ["no password", "wrong password"]);
        });

        it("does not take a port that went away for one that refuses plain MQTT", async () => {
            const broker = await start({});
            const steps = await verify(targetAt(broker.port), {
                stepTimeoutMs: 1000,
                onStep: ({ name }) => {
                    if (name === "wrong password") opened.splice(0).forEach((o) => void o.close());
                },
            });
            assert.deepEqual(failures(steps), ["no TLS", "other CA"]);
        });
    });

    /** A server on a free port whose connections go to `handle`. */
    async function listen(handle: (socket: Socket) => void): Promise<number> {
        const sockets = new Set<Socket>();
        const server = createServer((socket) => {
            sockets.add(socket);
            socket.on("error", () => undefined);
            handle(socket);
        });
        server.listen(0, "127.0.0.1");
        await once(server, "listening");
        opened.push({
            close: async () => {
                for (const socket of sockets) socket.destroy();
                await new Promise((resolve) => server.close(resolve));
            },
        });
        return (server.address() as AddressInfo).port;
    }
});

function failures(steps: Step[]): Step["name"][] {
    return steps.filter(({ ok }) => !ok).map(({ name }) => name);
}
