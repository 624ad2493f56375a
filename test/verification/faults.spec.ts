import assert from "node:assert/strict";
import { verify, type Step } from "../../verification/verify.ts";
import { issue, makeAuthority } from "../../dev/harness/certificates.ts";
import { failures, HOSTNAME, USERS, Verified } from "./support/verified.ts";

const HOUR = 3600 * 1000;

describe("verification of a broker with one fault", () => {
    const on = new Verified();

    /** The step that must fail, and the text on its line. */
    const expectFailure = (steps: Step[], name: Step["name"], text: RegExp) => {
        assert.deepEqual(failures(steps), [name]);
        assert.match(steps.find((step) => step.name === name)!.text, text);
    };

    it("fails the TLS step over a certificate by another CA", async () => {
        const foreign = await issue(await makeAuthority("Another CA"), [HOSTNAME]);
        const steps = await on.stepsOf({ certificate: foreign });
        expectFailure(steps, "tls", /signed by our CA.*saw: a certificate that the CA did not/);
        assert.equal(steps.length, 1, "nothing else is tried");
    });

    it("fails the TLS step when only clients of one of two CAs connect", async () => {
        const other = await makeAuthority("Old CA");
        const steps = await on.stepsOf({}, { caPem: `${on.authority.pem}\n${other.pem}` });
        expectFailure(steps, "tls", /expected a client that trusts only CN=Old CA to trust/);
    });

    it("fails the TLS step over a certificate for another name", async () => {
        const other = await issue(on.authority, ["someone-else.fly.dev"]);
        const steps = await on.stepsOf({ certificate: other });
        expectFailure(steps, "tls", /someone-else\.fly\.dev/);
    });

    it("fails the TLS step over a certificate for the address only", async () => {
        const steps = await on.stepsOf({ certificate: await issue(on.authority, ["127.0.0.1"]) });
        expectFailure(steps, "tls", /saw: .*appkata-test\.fly\.dev/);
    });

    it("fails the TLS step over a certificate that has expired", async () => {
        const expired = await issue(on.authority, [HOSTNAME], {
            notAfter: new Date(Date.now() - HOUR),
        });
        const steps = await on.stepsOf({ certificate: expired });
        expectFailure(steps, "tls", /saw: a certificate that has expired/);
    });

    it("fails the TLS step when the port speaks another protocol", async () => {
        const port = await on.listen((socket) => socket.end("220 mail\r\n"));
        const steps = await verify(on.targetAt(port));
        expectFailure(steps, "tls", /saw: an answer that is not TLS/);
    });

    it("fails the TLS step when the port accepts and says nothing", async () => {
        const port = await on.listen(() => undefined);
        const steps = await verify(on.targetAt(port), { stepTimeoutMs: 200 });
        expectFailure(steps, "tls", /saw: a connection, but no TLS answer within/);
    });

    it("fails the TLS step when nothing listens", async () => {
        const { port } = await on.start({});
        await on.close();
        const steps = await verify(on.targetAt(port));
        expectFailure(steps, "tls", /saw: nothing listens there \(ECONNREFUSED\)/);
    });

    // TCP has no multicast, so no machine has a route for it to this address (RFC 4291).
    it("does not wait if this machine has no route to an IPv6 address", async () => {
        const steps = await verify(on.targetAt(8883, { address: "ff02::1", deadlineSeconds: 60 }), {
            onWait: (line) => assert.fail(line),
        });
        expectFailure(
            steps,
            "tls",
            /^this machine has no IPv6 route, so it cannot reach ff02::1 \(E\w+\); verify from a machine with IPv6, or give the app an IPv4 \(`appkata-mqtt:ipv4: true`\)$/,
        );
    });

    it("fails the round trip of a user who is refused", async () => {
        const steps = await on.stepsOf({ users: { ...USERS, ada: "changed" } });
        expectFailure(steps, "round trip", /expected ada to be let in, saw: refused: not auth/);
    });

    it("fails the round trip when messages are not delivered", async () => {
        const steps = await on.stepsOf({ delivers: () => undefined });
        expectFailure(steps, "round trip", /saw: PUBACK, but no message within 1 s/);
    });

    it("fails the round trip when another payload comes back", async () => {
        const steps = await on.stepsOf({ delivers: () => Buffer.from("other") });
        expectFailure(steps, "round trip", /saw: another payload \(5 bytes\)/);
    });

    it("fails the login of a user who is refused", async () => {
        const steps = await on.stepsOf({ users: { ...USERS, grace: "changed" } });
        expectFailure(steps, "login", /expected grace to be let in, saw: refused: not auth/);
    });

    for (const [what, topic] of [
        ["written where it may only be read", /-read-only\//],
        ["read where it may only be written", /-write-only\//],
        ["read and written where nothing is granted", /-not-granted\//],
    ] as const) {
        it(`fails when a topic is ${what}`, async () => {
            const steps = await on.stepsOf({ grantsToo: topic });
            expectFailure(
                steps,
                "grants",
                /expected nothing that ada is not granted, saw: a message on appkata-mqtt\/\S+$/,
            );
            assert.match(steps.find(({ name }) => name === "grants")!.text, topic);
        });
    }

    it("fails when a shared subscription takes messages that it may not read", async () => {
        const steps = await on.stepsOf({ sharesAll: true });
        expectFailure(
            steps,
            "grants",
            /saw: a shared subscription to appkata-mqtt\/\S+-write-only\//,
        );
    });

    it("fails when $SYS is read without a grant", async () => {
        const { port, broker } = await on.start({ grantsToo: /^\$SYS\// });
        const version = { topic: "$SYS/broker/version", payload: Buffer.from("1") };
        await new Promise<void>((done) =>
            broker.publish({ cmd: "publish", qos: 0, dup: false, retain: true, ...version }, () =>
                done(),
            ),
        );
        const steps = await verify(on.targetAt(port), { stepTimeoutMs: 1000 });
        expectFailure(steps, "grants", /saw: a message on \$SYS\/broker\/version$/);
    });

    it("fails when the broker closes the connection over a forbidden topic", async () => {
        const steps = await on.stepsOf({ hangsUpOn: /-read-only\// });
        expectFailure(steps, "grants", /saw: the connection closed after PUBLISH$/);
    });

    it("fails when clients without user and password are admitted", async () => {
        const admits = (user?: string, password?: string) =>
            user === undefined || USERS[user as keyof typeof USERS] === password;
        const steps = await on.stepsOf({ admits });
        expectFailure(steps, "no password", /expected .* without user and password, saw: acc/);
    });

    it("fails when a user without a password is admitted", async () => {
        const admits = (user?: string, password?: string) =>
            user !== undefined && (password ?? USERS.ada) === USERS[user as keyof typeof USERS];
        const steps = await on.stepsOf({ admits });
        expectFailure(steps, "no password", /as ada without a password, saw: accepted/);
    });

    it("fails when the password is not checked", async () => {
        const steps = await on.stepsOf({ admits: (_user, password) => password !== undefined });
        expectFailure(steps, "wrong password", /"not authorized" as ada.*saw: accepted/);
    });

    it("fails when the port also speaks MQTT without TLS", async () => {
        const steps = await on.stepsOf({ plain: (socket, broker) => void broker.handle(socket) });
        expectFailure(steps, "no TLS", /saw: CONNACK with return code 5/);
    });

    it("fails when a client without TLS is neither answered nor disconnected", async () => {
        const steps = await on.stepsOf({ plain: () => undefined });
        expectFailure(steps, "no TLS", /saw: neither an answer nor an end within 1 s/);
    });
});
