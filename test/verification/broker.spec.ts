import assert from "node:assert/strict";
import { once } from "node:events";
import { lacksIPv6 } from "../../verification/handshake.ts";
import type { Certificates } from "../../verification/target.ts";
import { verify, type Step } from "../../verification/verify.ts";
import { issue, makeAuthority } from "../../dev/harness/certificates.ts";
import type { BrokerBehaviour } from "../support/faultyBroker.ts";
import { failures, HOSTNAME, USERS, Verified } from "./support/verified.ts";

describe("verification of a broker", () => {
    const on = new Verified();

    it("passes a correct broker, step by step", async () => {
        const seen: Step[] = [];
        const { port } = await on.start({});
        const steps = await verify(on.targetAt(port), { onStep: (step) => seen.push(step) });
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

    it("fails a broker that admits a removed user or a former password", async () => {
        const former = [
            { user: "bob", password: "of a removed user" },
            { user: "grace", password: "of before" },
        ];
        const logins = { users: [], userCount: 0, former };
        assert.deepEqual(failures(await on.stepsOf({}, { logins })), []);
        for (const { user, password } of former) {
            const steps = await on.stepsOf({ users: { ...USERS, [user]: password } }, { logins });
            assert.deepEqual(failures(steps), ["former passwords"]);
            const { text } = steps.find(({ name }) => name === "former passwords")!;
            assert.match(text, /^expected CONNACK "not authorized" to each former password/);
            assert.match(text, new RegExp(`, saw: ${user} got in\\..* \`pulumi up --refresh\``));
        }
    });

    it("reports how many users it logged in as", async () => {
        const users = [{ user: "grace", password: USERS.grace }];
        const steps = await on.stepsOf({}, { logins: { users, userCount: 1000, former: [] } });
        const { text } = steps.find(({ name }) => name === "login")!;
        assert.equal(text, "grace logged in (1 of 1000 users were tried)");
    });

    it("leaves no session, no subscription and no message behind", async () => {
        const { port, broker } = await on.start({});
        const gone = once(broker, "clientDisconnect");
        await verify(on.targetAt(port));
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
        const reserved = await on.start({});
        const { port } = reserved;
        await on.close();
        const verified = verify(on.targetAt(port, { deadlineSeconds: 30 }));
        await on.start({}, port);
        assert.deepEqual(failures(await verified), []);
    });

    it("trusts the server with the old or the new CA alone", async () => {
        const other = await makeAuthority("Old CA");
        const server = await issue(on.authority, [HOSTNAME], { crossed: other });
        const bundle = { caPem: `${other.pem}\n${on.authority.pem}` };
        const steps = await on.stepsOf({ certificate: server }, bundle);
        assert.deepEqual(failures(steps), []);
        assert.match(steps[0]!.text, /, by each of our 2 CAs, /);
    });

    describe("whose clients log in with certificates", () => {
        /** Verifies a broker that does not check client certificates. */
        async function stepsWith(
            behaviour: Partial<BrokerBehaviour>,
            former: Certificates["former"] = [],
        ): Promise<Step[]> {
            const { port } = await on.start(behaviour);
            const pair = {
                certificatePem: on.certificate.chain,
                privateKeyPem: on.certificate.key,
            };
            const certificates = { port, own: pair, foreign: pair, former };
            const logins = { users: [], userCount: 0, former: [], certificates };
            return verify(on.targetAt(port, { logins }), { stepTimeoutMs: 500 });
        }

        it("fails if clients with another CA's certificate or none are admitted", async () => {
            const steps = await stepsWith({ admits: () => true });
            assert.deepEqual(failures(steps), ["no certificate", "foreign certificate"]);
            for (const { text } of steps.filter(({ ok }) => !ok)) {
                assert.match(text, /^expected a TLS alert over .*, saw: no alert within 0\.5 s$/);
            }
        });

        it("fails if a removed device is admitted", async () => {
            const pair = {
                certificatePem: on.certificate.chain,
                privateKeyPem: on.certificate.key,
            };
            const former = [{ name: "lamp", ...pair }];
            const steps = await stepsWith({ admits: () => true }, former);
            const { text } = steps.find(({ name }) => name === "former certificates")!;
            assert.match(text, /^expected a TLS alert over each .*, saw: lamp got in\./);
        });

        it("fails if a client with a valid certificate is refused", async () => {
            const steps = await stepsWith({ admits: () => false });
            const { text } = steps.find(({ name }) => name === "certificate")!;
            assert.match(text, /expected ada to be let in, saw: refused: not/);
        });

        it("does not count a closed connection as a refusal", async () => {
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
});
