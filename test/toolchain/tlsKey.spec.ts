// core
/** Tests keys of the replacement for the tls plugin against the official one (Terraform provider tls 4). */
import assert from "node:assert/strict";
import { createPrivateKey, createPublicKey } from "node:crypto";
import { isSecret, plain, UNKNOWN, urnOf } from "./support/provider.ts";
import { KEY, useTls } from "./support/tls.ts";

describe("tls private key", () => {
    const { tls, text, key } = useTls();

    it("has the official defaults", async () => {
        const state = await key({ algorithm: "ECDSA" });
        assert.equal(state["ecdsaCurve"], "P224");
        assert.equal(state["rsaBits"], 2048);
        // OpenSSH does not know P224.
        assert.equal(plain(state["privateKeyOpenssh"]), "");
        assert.equal(state["publicKeyOpenssh"], "");
        const details = createPrivateKey(text(state, "privateKeyPem")).asymmetricKeyDetails;
        assert.equal(details?.namedCurve, "secp224r1");
    });

    for (const [inputs, type, header] of [
        [{ algorithm: "RSA", rsaBits: 3072 }, "rsa", "RSA PRIVATE KEY"],
        [{ algorithm: "ECDSA", ecdsaCurve: "P384" }, "ec", "EC PRIVATE KEY"],
        [{ algorithm: "ED25519" }, "ed25519", "PRIVATE KEY"],
    ] as const) {
        it(`writes ${inputs.algorithm} in every format, all with the same key`, async () => {
            const state = await key(inputs);
            const own = createPrivateKey(text(state, "privateKeyPem"));
            assert.equal(own.asymmetricKeyType, type);
            assert.match(text(state, "privateKeyPem"), new RegExp(`^-----BEGIN ${header}-----`));
            const spki = (pem: string) =>
                createPublicKey(pem).export({ type: "spki", format: "pem" });
            assert.equal(state["publicKeyPem"], spki(text(state, "privateKeyPem")));
            assert.equal(state["publicKeyPem"], spki(text(state, "privateKeyPemPkcs8")));
            assert.match(text(state, "privateKeyOpenssh"), /^-----BEGIN OPENSSH PRIVATE KEY-----/);
            assert.match(state["publicKeyFingerprintSha256"] as string, /^SHA256:[\w+/]{43}$/);
            assert.match(state["publicKeyFingerprintMd5"] as string, /^([0-9a-f]{2}:){15}../);
        });
    }

    it("keeps every private format secret and no public one", async () => {
        const state = await key();
        const secrets = Object.keys(state).filter((name) => isSecret(state[name]));
        assert.deepEqual(secrets.sort(), [
            "privateKeyOpenssh",
            "privateKeyPem",
            "privateKeyPemPkcs8",
        ]);
    });

    it("refuses a missing and a wrong algorithm, naming what is allowed", async () => {
        const missing = await tls.check(KEY, {});
        assert.match(missing.failures[0]!.reason, /^Missing required property 'algorithm'/);
        const wrong = await tls.check(KEY, { algorithm: "DSA", ecdsaCurve: "P111" });
        assert.deepEqual(
            wrong.failures.map((failure) => failure.reason),
            [
                "Invalid Attribute Value Match. Attribute algorithm value must be one of: " +
                    '["RSA" "ECDSA" "ED25519"], got: "DSA". Examine values at \'it.algorithm\'.',
                "Invalid Attribute Value Match. Attribute ecdsa_curve value must be one of: " +
                    '["P224" "P256" "P384" "P521"], got: "P111". Examine values at \'it.ecdsaCurve\'.',
            ],
        );
    });

    it("is replaced on every change, and only then", async () => {
        const state = await key();
        const same = await tls.diff(KEY, state, { algorithm: "ECDSA", ecdsaCurve: "P256" });
        assert.equal(same.changes, "none");
        const other = await tls.diff(KEY, state, { algorithm: "RSA", rsaBits: 4096 });
        assert.deepEqual(other.replaces.sort(), ["algorithm", "ecdsaCurve", "rsaBits"]);
    });

    it("leaves outputs unknown in a preview", async () => {
        const { properties } = await tls.create(KEY, { algorithm: "ED25519" }, true);
        assert.equal(plain(properties["privateKeyPem"]), UNKNOWN);
        assert.equal(properties["publicKeyPem"], UNKNOWN);
        assert.equal(properties["rsaBits"], 2048);
    });

    it("cannot be imported, as with the official plugin", async () => {
        await assert.rejects(tls.read(KEY, "abc", {}, {}), /Resource Import Not Implemented/);
    });

    it("says that a function or another resource needs the official plugin", async () => {
        await assert.rejects(tls.check(urnOf("tls:index/other:Other"), {}), {
            message:
                'resource type "tls:index/other:Other" is not part of this replacement plugin; ' +
                "it needs the official one",
        });
    });
});
