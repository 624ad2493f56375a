import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import mqtt from "mqtt";
import { capture } from "../../lib/process.ts";
import { certificatesIn } from "../../lib/pem.ts";
import { FaultyBroker } from "../support/faultyBroker.ts";
import { HOSTNAME, IssuingStack, type Issued } from "./support/issued.ts";

/** The component of a version with one CA. */
const BEFORE = `
import * as pulumi from "@pulumi/pulumi";
import * as tls from "@pulumi/tls";

class Certificates extends pulumi.ComponentResource {
    constructor() {
        super("appkata-mqtt:index:Certificates", "certificates", {});
        const parent = { parent: this };
        const ecdsaP256 = { algorithm: "ECDSA", ecdsaCurve: "P256" };
        const caKey = new tls.PrivateKey("ca", ecdsaP256, parent);
        const ca = new tls.SelfSignedCert("ca", {
            privateKeyPem: caKey.privateKeyPem,
            subject: { commonName: pulumi.getProject() + " " + pulumi.getStack() + " CA" },
            isCaCertificate: true,
            setSubjectKeyId: true,
            allowedUses: ["cert_signing", "crl_signing"],
            validityPeriodHours: 10 * 365 * 24,
            earlyRenewalHours: 365 * 24,
        }, parent);
        const serverKey = new tls.PrivateKey("server", ecdsaP256, parent);
        const request = new tls.CertRequest("server", {
            privateKeyPem: serverKey.privateKeyPem,
            subject: { commonName: "${HOSTNAME}" },
            dnsNames: ["${HOSTNAME}"],
            ipAddresses: ["127.0.0.1"],
        }, parent);
        const server = new tls.LocallySignedCert("server", {
            certRequestPem: request.certRequestPem,
            caPrivateKeyPem: caKey.privateKeyPem,
            caCertPem: ca.certPem,
            setSubjectKeyId: true,
            allowedUses: ["digital_signature", "server_auth"],
            validityPeriodHours: 365 * 24,
            earlyRenewalHours: 30 * 24,
        }, parent);
        this.registerOutputs({ caPem: ca.certPem });
    }
}
new Certificates();
`;

const USERS = { ada: "ada's password" };

/** Rotates from the old CA to both, then to the new, on the real engine. */
describe("a rotated CA", function () {
    this.timeout(120_000);
    let stack: IssuingStack;
    let folder: string;
    let first: string;
    let second: string;

    before(async () => {
        folder = mkdtempSync(path.join(tmpdir(), "authorities-"));
        stack = await IssuingStack.make(BEFORE);
    });
    after(() => {
        stack.remove();
        rmSync(folder, { recursive: true, force: true });
    });

    const trust = (trusted: number[], issuer: number) =>
        stack.configure({ authorities: { trusted, issuer } });

    const issuerOf = (issued: Issued) => new X509Certificate(issued.serverChainPem).issuer;

    it("is unchanged if the stack already has it", async () => {
        await stack.ok("up", "--yes", "--skip-preview");
        stack.useComponent();
        await trust([1], 1);
        const preview = await stack.ok("preview", "--diff");
        // Only the component around them is created.
        assert.match(preview, /\+ 1 to create\s+7 unchanged\s/);
        const issued = await stack.up();
        first = issued.caPem;
        assert.equal(certificatesIn(first).length, 1);
        assert.equal(issuerOf(issued), "CN=scratch dev CA");
        await accepts(issued, first);
    });

    it("is trusted beside the new one, with its certificate and the server's unchanged", async () => {
        await trust([1, 2], 1);
        assert.doesNotMatch(await stack.ok("preview"), /to (replace|update|delete)/);
        const issued = await stack.up();
        assert.ok(issued.caPem.startsWith(first));
        second = issued.caPem.slice(first.length);
        assert.equal(new X509Certificate(second).subject, "CN=scratch dev CA 2");
        assert.equal(issuerOf(issued), "CN=scratch dev CA");
        for (const trusted of [first, second, issued.caPem]) await accepts(issued, trusted);
    });

    it("remains trusted when the new one signs the server certificate", async () => {
        await trust([1, 2], 2);
        const issued = await stack.up();
        assert.equal(issued.caPem, first + second);
        assert.equal(issuerOf(issued), "CN=scratch dev CA 2");
        for (const trusted of [first, second, issued.caPem]) await accepts(issued, trusted);
    });

    it("is dropped, and a client that trusts only that one is refused", async () => {
        await trust([2], 2);
        assert.doesNotMatch(await stack.ok("preview"), /to (replace|update|create)/);
        const issued = await stack.up();
        assert.equal(issued.caPem, second);
        await accepts(issued, second);
        await refuses(issued, first);
        await stack.ok("preview", "--expect-no-changes");
    });

    it("may become the issuer at once, because clients of either CA can verify its certificates", async () => {
        await trust([2, 3], 3);
        const issued = await stack.up();
        const third = issued.caPem.slice(second.length);
        for (const trusted of [second, third]) await accepts(issued, trusted);
    });

    it("is renewed with the same key a year before its expiry, so that clients still connect", async () => {
        const before = await stack.up();
        const held = new Date(Date.now() + 300 * 24 * 3600 * 1000);
        await stack.endCertificate("ca-3", held);
        assert.match(await stack.ok("preview"), /SelfSignedCert \S+:ca-3 replace/);
        const renewed = await stack.up();
        assert.notEqual(renewed.caPem, before.caPem);
        assert.equal(renewed.serverKeyPem, before.serverKeyPem);
        for (const trusted of [before.caPem, renewed.caPem]) {
            for (const one of certificatesIn(trusted)) await accepts(renewed, one);
        }
        assert.equal(renewed.expiry.ca["3"], held.toISOString());
        assert.equal((await stack.up()).expiry.ca["3"], held.toISOString(), "remembered");
        await stack.ok("preview", "--expect-no-changes");
    });

    it("marks issuing certificates as CAs, and names the key of each issuer", async () => {
        const { serverChainPem } = await stack.up();
        const [server, cross] = certificatesIn(serverChainPem);
        const file = path.join(folder, "certificate.pem");
        const about = async (pem: string) => {
            writeFileSync(file, pem);
            const show = "basicConstraints,keyUsage,extendedKeyUsage,subjectKeyIdentifier";
            const ext = `${show},authorityKeyIdentifier`;
            const { stdout } = await capture([
                ...["openssl", "x509", "-noout", "-ext", ext, "-in", file],
            ]);
            return stdout;
        };
        const key = (text: string, which: string) =>
            new RegExp(`${which} Key Identifier: \\s+(?:keyid:)?([0-9A-F:]+)`).exec(text)![1];
        const [ofServer, ofCross] = [await about(server!), await about(cross!)];
        assert.match(ofServer, /Basic Constraints: critical\s+CA:FALSE/);
        assert.match(ofServer, /Key Usage: critical\s+Digital Signature\s/);
        assert.match(ofCross, /Basic Constraints: critical\s+CA:TRUE/);
        assert.match(ofCross, /Key Usage: critical\s+Certificate Sign, CRL Sign\s/);
        assert.equal(key(ofServer, "Authority"), key(ofCross, "Subject"));
        assert.notEqual(key(ofCross, "Authority"), key(ofCross, "Subject"));
    });

    /** Clients of several kinds that trust only these CAs. */
    async function clients(issued: Issued, trusted: string): Promise<Record<string, string>> {
        const certificate = { chain: issued.serverChainPem, key: issued.serverKeyPem };
        const broker = await FaultyBroker.start({ certificate, users: USERS });
        const file = path.join(folder, "trusted.pem");
        writeFileSync(file, trusted);
        const port = String(broker.port);
        const run = async (...command: string[]) => {
            const { code, stdout, stderr } = await capture(command, { timeoutMs: 10_000 });
            return code === 0 ? "accepted" : stdout + stderr;
        };
        try {
            return {
                mosquitto: await run(
                    ...["mosquitto_pub", "-h", "127.0.0.1", "-p", port, "--cafile", file],
                    ...["-u", "ada", "-P", USERS.ada, "-t", "tests", "-m", "hello", "-q", "1"],
                ),
                openssl: await run(
                    ...["openssl", "s_client", "-connect", `127.0.0.1:${port}`, "-CAfile", file],
                    ...["-verify_return_error", "-verify_hostname", HOSTNAME],
                ),
                mqttjs: await mqtt
                    .connectAsync({
                        ...{ protocol: "mqtts", host: "127.0.0.1", port: broker.port },
                        ...{ servername: HOSTNAME, ca: trusted, reconnectPeriod: 0 },
                        ...{ username: "ada", password: USERS.ada },
                    })
                    .then(
                        (client) => client.endAsync().then(() => "accepted"),
                        (error: Error) => error.message,
                    ),
            };
        } finally {
            await broker.close();
        }
    }

    async function accepts(issued: Issued, trusted: string): Promise<void> {
        const seen = await clients(issued, trusted);
        for (const [client, outcome] of Object.entries(seen)) {
            assert.equal(outcome, "accepted", client);
        }
    }

    async function refuses(issued: Issued, trusted: string): Promise<void> {
        const seen = await clients(issued, trusted);
        for (const [client, outcome] of Object.entries(seen)) {
            assert.match(outcome, /certificate|TLS error/i, client);
        }
    }
});
