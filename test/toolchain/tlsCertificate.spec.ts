// core
/** Tests certificates of the replacement for the tls plugin with node and openssl. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createPrivateKey, X509Certificate } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { isSecret, type Properties } from "./support/provider.ts";
import { REQUEST, SELF_SIGNED, SIGNED, useTls } from "./support/tls.ts";

describe("tls certificate", () => {
    const { tls, text, key, CA, authority, signed } = useTls();

    it("chains to its authority, for node and for openssl", async () => {
        const { ca, state, own } = await signed();
        const root = new X509Certificate(text(ca.state, "certPem"));
        const leaf = new X509Certificate(text(state, "certPem"));
        assert.ok(root.ca && !leaf.ca);
        assert.ok(root.verify(root.publicKey) && leaf.verify(root.publicKey));
        assert.ok(leaf.checkIssued(root));
        assert.ok(leaf.checkPrivateKey(createPrivateKey(text(own, "privateKeyPem"))));
        assert.equal(leaf.checkHost("broker.fly.dev"), "broker.fly.dev");
        assert.equal(leaf.checkHost("other.fly.dev"), undefined);
        assert.equal(leaf.checkIP("127.1.2.3"), "127.1.2.3");
        assert.equal(leaf.checkIP("2001:db8::1"), "2001:db8::1");
        assert.deepEqual(leaf.keyUsage, ["1.3.6.1.5.5.7.3.1"]);
        assert.match(leaf.subject, /O=Test/);

        const folder = mkdtempSync(path.join(tmpdir(), "chain-"));
        try {
            writeFileSync(path.join(folder, "ca.pem"), text(ca.state, "certPem"));
            writeFileSync(path.join(folder, "leaf.pem"), text(state, "certPem"));
            const args = ["verify", "-x509_strict", "-purpose", "sslserver"];
            // A strict chain requires a subject key identifier in the CA's certificate: CAs always have one.
            args.push("-verify_hostname", "broker.fly.dev", "-CAfile", "ca.pem", "leaf.pem");
            const said = execFileSync("openssl", args, { cwd: folder, encoding: "utf8" });
            assert.equal(said, "leaf.pem: OK\n");
        } finally {
            rmSync(folder, { recursive: true });
        }
    });

    it("is valid from now for its hours, with its serial number as ID", async () => {
        const { state, id } = await signed();
        const leaf = new X509Certificate(text(state, "certPem"));
        const hours =
            (Date.parse(state["validityEndTime"] as string) -
                Date.parse(state["validityStartTime"] as string)) /
            3_600_000;
        assert.equal(hours, 48);
        assert.ok(Math.abs(Date.parse(leaf.validFrom) - Date.now()) < 60_000);
        assert.equal(BigInt(`0x${leaf.serialNumber}`).toString(), id);
        assert.equal(state["caKeyAlgorithm"], "ECDSA");
    });

    it("has the official defaults", async () => {
        const { state } = await signed();
        assert.equal(state["earlyRenewalHours"], 0);
        assert.equal(state["isCaCertificate"], false);
        assert.equal(state["setSubjectKeyId"], false);
        assert.equal(state["readyForRenewal"], false);
        assert.ok(!("maxPathLength" in state));
    });

    it("carries subject and authority key identifiers, path length, addresses and URIs", async () => {
        const { state } = await authority({
            setSubjectKeyId: true,
            setAuthorityKeyId: true,
            maxPathLength: 3,
            dnsNames: ["ca.test"],
            uris: ["spiffe://test/ca"],
            ipAddresses: ["10.0.0.1"],
        });
        const folder = mkdtempSync(path.join(tmpdir(), "cert-"));
        writeFileSync(path.join(folder, "c.pem"), text(state, "certPem"));
        const shown = execFileSync("openssl", ["x509", "-in", "c.pem", "-noout", "-text"], {
            cwd: folder,
            encoding: "utf8",
        });
        rmSync(folder, { recursive: true });
        const after = (label: string) =>
            new RegExp(`${label}: *(?:critical)?\\n +(.+)`).exec(shown)?.[1]?.trim();
        assert.equal(after("X509v3 Basic Constraints"), "CA:TRUE, pathlen:3");
        assert.equal(after("X509v3 Key Usage"), "Certificate Sign, CRL Sign");
        assert.equal(
            after("X509v3 Authority Key Identifier"),
            after("X509v3 Subject Key Identifier"),
        );
        assert.equal(
            after("X509v3 Subject Alternative Name"),
            "DNS:ca.test, IP Address:10.0.0.1, URI:spiffe://test/ca",
        );
    });

    it("refuses an authority without a name", async () => {
        const caKey = await key();
        const nameless = { ...CA, subject: {}, privateKeyPem: text(caKey, "privateKeyPem") };
        await assert.rejects(tls.create(SELF_SIGNED, nameless), {
            message:
                "Invalid Certificate Subject: Must contain at least one Distinguished Name " +
                "when creating Certificate Authority (CA)",
        });
    });

    it("warns when its signer is not a CA", async () => {
        const caKey = await key();
        const weak = await tls.create(SELF_SIGNED, {
            ...CA,
            isCaCertificate: false,
            privateKeyPem: text(caKey, "privateKeyPem"),
        });
        tls.log.length = 0;
        await signed({
            caCertPem: text(weak.properties, "certPem"),
            caPrivateKeyPem: text(caKey, "privateKeyPem"),
        });
        assert.match(tls.log[0]!.message, /not appear to be a valid Certificate Authority/);
        assert.equal(tls.log[0]!.severity, 2);
    });

    it("refuses invalid keys, requests, addresses and uses", async () => {
        const own = text(await key(), "privateKeyPem");
        const request = (more: Properties) => tls.create(REQUEST, { privateKeyPem: own, ...more });
        await assert.rejects(request({ privateKeyPem: "nonsense" }), {
            message: /^Failed to parse private key PEM: failed to decode PEM block/,
        });
        await assert.rejects(request({ ipAddresses: ["300.1.1.1"] }), {
            message: 'Invalid IP address: Failed to parse "300.1.1.1"',
        });
        await assert.rejects(signed({ certRequestPem: own }), {
            message:
                "Failed to parse certificate request PEM: invalid PEM type - " +
                'expected "CERTIFICATE REQUEST", got "EC PRIVATE KEY"',
        });
        const uses = await tls.check(SELF_SIGNED, {
            ...CA,
            privateKeyPem: own,
            allowedUses: ["x"],
        });
        assert.match(
            uses.failures[0]!.reason,
            /^Invalid Attribute Value Match\. Attribute allowed_uses\[0\] value must be one of: \["any_extended" /,
        );
        const hours = await tls.check(SELF_SIGNED, {
            ...CA,
            privateKeyPem: own,
            earlyRenewalHours: -1,
        });
        assert.match(
            hours.failures[0]!.reason,
            /early_renewal_hours value must be at least 0, got: -1/,
        );
    });

    it("keeps the private keys among its inputs secret", async () => {
        const { inputs, state } = await signed();
        const checked = await tls.check(SIGNED, inputs);
        assert.ok(isSecret(checked.inputs["caPrivateKeyPem"]));
        assert.ok(isSecret(state["caPrivateKeyPem"]));
        assert.ok(!isSecret(state["certPem"]) && !isSecret(state["caCertPem"]));
    });
});
