// core
/** Attacks with certificates that the broker must not let in. */
import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import type { TLSSocket } from "node:tls";
import { SERIES } from "../../broker/conf.ts";
import { ADA } from "../support/brokerFixture.ts";
import { actingAsAuthority, makeAuthority, renamed } from "../../dev/harness/certificates.ts";
import { Devices, type Pair } from "./support/devices.ts";

const BAD_NAME = /Connection refused: Bad User Name/;
const HOUR = 3600 * 1000;
/** Purposes of a certificate (extended key usage). */
const FOR_SERVERS = "1.3.6.1.5.5.7.3.1";
const FOR_CODE = "1.3.6.1.5.5.7.3.3";

/** The words of a TLS alert or a CONNACK that refuses; with TLS 1.3 the connection may be gone before the alert comes. */
const REFUSED = /alert|ECONNRESET|EPIPE|closed|disconnected|not authorized|bad user name/i;

/** Certificates that are not let in, each with what the broker says of it. */
const REFUSED_CERTIFICATES: [
    string,
    RegExp,
    (devices: Devices) => Partial<Pair> | Promise<Pair>,
][] = [
    ["no certificate", /alert handshake failure/, () => ({})],
    [
        "an expired certificate",
        /alert certificate expired/,
        (devices) => devices.issue("pump", { notAfter: new Date(Date.now() - HOUR) }),
    ],
    [
        "a certificate that is not yet valid",
        /alert bad certificate/,
        (devices) => devices.issue("pump", { notBefore: new Date(Date.now() + HOUR) }),
    ],
    [
        "a self-signed certificate",
        /alert unknown ca/,
        async (devices) => devices.issue("pump", {}, await makeAuthority("pump")),
    ],
    [
        "a certificate by another CA",
        /alert unknown ca/,
        async (devices) => devices.issue("pump", {}, await makeAuthority("Other CA")),
    ],
    [
        "a certificate by another CA of the same name",
        /alert decrypt error/,
        async (devices) => devices.issue("pump", {}, await makeAuthority()),
    ],
    [
        "a certificate signed with the server certificate's key",
        /alert unknown ca/,
        (devices) => signedBy(devices, devices.server),
    ],
    [
        "a certificate signed with another device's key",
        /alert unknown ca/,
        (devices) => signedBy(devices, devices.pairs.lamp!),
    ],
    [
        "another device's certificate with its name replaced",
        /alert decrypt error/,
        ({ pairs: { lamp } }) => ({ ...lamp!, cert: renamed(lamp!.cert, "lamp", "pump") }),
    ],
    ["a removed device's certificate", /alert certificate revoked/, ({ pairs }) => pairs.old!],
    ["the server's certificate", /alert unsupported certificate/, ({ server }) => server],
    [
        "a certificate for servers",
        /alert unsupported certificate/,
        (devices) => devices.issue("pump", { usages: [FOR_SERVERS] }),
    ],
    [
        "a certificate for signing code",
        /alert unsupported certificate/,
        (devices) => devices.issue("pump", { usages: [FOR_CODE] }),
    ],
    ["a certificate with a NUL behind the name", BAD_NAME, (devices) => devices.issue("pump\0x")],
    [
        "a certificate with a line end behind the name",
        BAD_NAME,
        (devices) => devices.issue("pump\n"),
    ],
    [
        "a certificate with the name in UTF-16",
        BAD_NAME,
        (devices) => devices.issue("", { subject: [{ CN: [{ bmpString: "pump" }] }] }),
    ],
    [
        "a certificate with an alternative name only",
        BAD_NAME,
        (devices) => devices.issue("pump", { subject: [{ O: ["pump"] }] }),
    ],
];

for (const series of process.env.APPKATA_SCOPE === "core" ? SERIES.slice(0, 1) : SERIES) {
    describe(`attacks with certificates on Mosquitto ${series}`, function () {
        this.timeout(30_000);
        const devices = new Devices(series);

        it("(a device's own certificate is let in)", async () => {
            await devices.connect(devices.pairs.pump!);
        });

        for (const [name, reason, make] of REFUSED_CERTIFICATES) {
            it(`${name} is refused`, async () => {
                const pair = await make(devices);
                const older = { maxVersion: "TLSv1.2" } as object;
                await assert.rejects(devices.connect(pair, older), reason);
                await assert.rejects(devices.connect(pair), REFUSED);
            });
        }

        it("a certificate without any purpose is let in, as one for clients is", async () => {
            await devices.connect(await devices.issue("pump", { usages: [] }));
        });

        it("a refused certificate leaves no will", async () => {
            const watcher = await devices.connect(devices.pairs.pump!);
            const will = {
                topic: "pump/will",
                payload: Buffer.from("x"),
                qos: 1 as const,
                retain: true,
            };
            const nul = await devices.issue("pump\0.evil");
            await assert.rejects(devices.connect(nul, { will }), REFUSED);
            await watcher.subscribeAsync("pump/#");
            await watcher.publishAsync("pump/end", "", { qos: 1 });
            assert.deepEqual(watcher.seen, ["pump/end"]);
        });

        it("a certificate at the port for passwords replaces no password", async () => {
            const pump = devices.pairs.pump!;
            await assert.rejects(devices.connectToPasswords(pump), REFUSED);
            await assert.rejects(
                devices.connectToPasswords({ ...pump, username: "pump" }),
                REFUSED,
            );
            const wrong = { username: ADA.username, password: "wrong" };
            await assert.rejects(devices.connectToPasswords({ ...pump, ...wrong }), REFUSED);
        });

        it("a password at the port for certificates replaces no certificate", async () => {
            const { username, password } = ADA;
            await assert.rejects(devices.connect({}, { username, password }), REFUSED);
        });

        it("a removed device's TLS session is not resumed, nor that of an expired certificate", async () => {
            const { lamp } = devices.pairs;
            const expires = Date.now() + 2000;
            const short = await devices.issue("pump", { notAfter: new Date(expires) });
            const resumed: { session: object }[] = [];
            for (const pair of [lamp!, short]) {
                const { stream } = await devices.connect(pair);
                const session = { session: (stream as TLSSocket).getSession()! };
                const again = await devices.connect({}, session as object);
                assert.ok((again.stream as TLSSocket).isSessionReused(), "it is before that");
                resumed.push(session);
            }
            await devices.removeLamp();
            await sleep(expires + 1000 - Date.now());
            for (const session of resumed) {
                await assert.rejects(devices.connect({}, session as object), REFUSED);
            }
            await devices.connect(devices.pairs.pump!);
        });
    });
}

/** A certificate for pump that a certificate which is no CA's has signed, with both of them. */
async function signedBy(devices: Devices, signer: Pair): Promise<Pair> {
    const { cert, key } = await devices.issue(
        "pump",
        {},
        await actingAsAuthority(signer.cert, signer.key),
    );
    return { cert: cert + signer.cert, key };
}
