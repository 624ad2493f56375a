import assert from "node:assert/strict";
import type { BrokerOutputs } from "../../config/outputs.ts";
import { Project } from "../../dev/harness/project.ts";
import { scanTls, type Finding } from "../support/tlsScan.ts";

/**
 * Warnings about the scanner itself: limits of its OpenSSL, and session resumption, for which it starts
 * OpenSSL and does not wait long enough on a busy machine.
 */
function isOfTheScanner({ id, severity, finding }: Finding): boolean {
    if (severity !== "WARN") return false;
    return (
        id === "engine_problem" ||
        /not tested|local (support|ciphers)|lacks|(does not|doesn't) (support|have)/i.test(
            finding,
        ) ||
        (id.startsWith("sessionresumption_") && /because of connect problem/.test(finding))
    );
}

/** The deployed broker, through the edge, as tools see it that know nothing of this project. */
describe("deployed broker, seen by other tools", function () {
    this.timeout(360_000);
    let project: Project;
    let outputs: BrokerOutputs;

    before(async () => {
        project = await Project.make();
        outputs = await project.deploy();
    });
    after(async () => {
        await project.remove();
    });

    describe("TLS scanner (testssl.sh)", () => {
        let findings: Finding[];
        const found = (id: string) => {
            const { severity, finding } = findings.find((one) => one.id === id) ?? {};
            return `${severity} ${finding}`;
        };

        before(async () => {
            const { address, port, hostname, caCertificatePem: caPem } = outputs;
            findings = await scanTls({ address, port, hostname, caPem });
        });

        it("finds TLS 1.2 and 1.3, and nothing older", () => {
            for (const old of ["SSLv2", "SSLv3", "TLS1", "TLS1_1"]) {
                assert.match(found(old), /^(OK|INFO) not offered$/, old);
            }
            assert.match(found("TLS1_2"), /^OK offered/);
            assert.match(found("TLS1_3"), /^OK offered/);
        });

        it("finds only ciphers with forward secrecy and authenticated encryption", () => {
            const modern = /^(TLS_(AES|CHACHA20)|ECDHE-ECDSA-(AES\d+-GCM|CHACHA20))/;
            const ciphers = ["1_2", "1_3"].flatMap((version) =>
                found(`cipherorder_TLSv${version}`).replace("INFO ", "").split(" "),
            );
            assert.equal(ciphers.length, 6, ciphers.join());
            for (const cipher of ciphers) assert.match(cipher, modern);
            assert.match(found("PFS"), /^OK offered/);
            assert.match(found("cipher_order"), /^OK server/);
        });

        it("finds no client renegotiation and no compression", () => {
            assert.match(found("secure_client_renego"), /^OK not vulnerable/);
            assert.match(found("CRIME_TLS"), /^OK not vulnerable/);
        });

        it("finds a valid certificate, for host name and CA", () => {
            assert.match(found("cert_trust"), /^OK Ok via SAN/);
            assert.match(found("cert_chain_of_trust"), /^OK passed/);
            assert.match(found("cert_expirationStatus"), /^OK/);
        });

        it("finds no other problem", () => {
            // The CA is the stack's own: instead of revocation, the certificate is renewed or the CA replaced.
            const known = ["cert_revocation"];
            const complaints = findings.filter(
                (one) =>
                    !["OK", "INFO", "DEBUG"].includes(one.severity) &&
                    !known.includes(one.id) &&
                    !isOfTheScanner(one),
            );
            assert.deepEqual(complaints, []);
        });
    });
});
