// core
/** Tests which changes update or replace a certificate, and when it is renewed. */
import assert from "node:assert/strict";
import { isSecret, type Properties, UNKNOWN } from "./support/provider.ts";
import { SELF_SIGNED, SIGNED, useTls } from "./support/tls.ts";

describe("tls certificate's life cycle", () => {
    const { tls, text, key, authority, signed } = useTls();

    describe("change of a certificate", () => {
        const CHANGES: [string, Properties][] = [
            ["dnsNames", { dnsNames: ["new.test"] }],
            ["ipAddresses", { ipAddresses: ["10.0.0.2"] }],
            ["uris", { uris: ["urn:new"] }],
            ["subject", { subject: { commonName: "New" } }],
            ["allowedUses", { allowedUses: ["cert_signing"] }],
            ["validityPeriodHours", { validityPeriodHours: 101 }],
            ["isCaCertificate", { isCaCertificate: false }],
            ["maxPathLength", { maxPathLength: 1 }],
            ["setSubjectKeyId", { setSubjectKeyId: true }],
            ["setAuthorityKeyId", { setAuthorityKeyId: true }],
        ];
        for (const [name, change] of CHANGES) {
            it(`replaces it for ${name}`, async () => {
                const { state, inputs } = await authority();
                const diff = await tls.diff(SELF_SIGNED, state, { ...inputs, ...change });
                assert.equal(diff.changes, "some");
                assert.deepEqual(diff.replaces, [name]);
                for (const kind of Object.values(diff.detailed)) assert.match(kind, /-replace$/);
            });
        }

        it("replaces it for another key, and for an unknown one in a preview", async () => {
            const { state, inputs } = await authority();
            const other = text(await key(), "privateKeyPem");
            for (const privateKeyPem of [other, UNKNOWN]) {
                const diff = await tls.diff(SELF_SIGNED, state, { ...inputs, privateKeyPem });
                assert.deepEqual(diff.replaces, ["privateKeyPem"]);
            }
        });

        it("changes earlyRenewalHours in place and keeps the certificate", async () => {
            const { state, inputs } = await signed();
            const news = { ...inputs, earlyRenewalHours: 10 };
            const diff = await tls.diff(SIGNED, state, news);
            assert.deepEqual(diff.replaces, []);
            assert.deepEqual(diff.detailed, { earlyRenewalHours: "update" });
            const updated = await tls.update(SIGNED, state, news);
            assert.equal(updated["earlyRenewalHours"], 10);
            assert.equal(updated["certPem"], state["certPem"]);
            assert.ok(isSecret(updated["caPrivateKeyPem"]));
        });

        it("is none when nothing changed", async () => {
            const { state, inputs } = await signed();
            assert.deepEqual(await tls.diff(SIGNED, state, inputs), {
                changes: "none",
                replaces: [],
                detailed: {},
            });
        });

        it("omits changes that the program ignores", async () => {
            const { state, inputs } = await authority();
            const news = { ...inputs, dnsNames: ["new.test"] };
            const diff = await tls.diff(SELF_SIGNED, state, news, undefined, ["dnsNames"]);
            assert.equal(diff.changes, "none");
        });
    });

    describe("renewal", () => {
        /** State of a certificate that expires in this many hours. */
        function ending(state: Properties, hours: number): Properties {
            const at = new Date(Date.now() + hours * 3_600_000).toISOString();
            return { ...state, validityEndTime: at };
        }

        it("replaces a certificate within its early hours, without a refresh before", async () => {
            const { state, inputs } = await signed({ earlyRenewalHours: 5 });
            assert.equal((await tls.diff(SIGNED, ending(state, 6), inputs)).changes, "none");
            const due = await tls.diff(SIGNED, ending(state, 4), inputs);
            assert.deepEqual(due.replaces, ["readyForRenewal"]);
            assert.deepEqual(due.detailed, { readyForRenewal: "update-replace" });
        });

        it("replaces an expired certificate", async () => {
            const { state, inputs } = await signed();
            const ended = await tls.diff(SIGNED, ending(state, -1), inputs);
            assert.deepEqual(ended.replaces, ["readyForRenewal"]);
        });

        it("uses the hours of the current program", async () => {
            const { state, inputs } = await signed();
            const news = { ...inputs, earlyRenewalHours: 20 };
            const diff = await tls.diff(SIGNED, ending(state, 10), news);
            assert.deepEqual(diff.replaces, ["readyForRenewal"]);
        });

        it("is detected by a refresh, and then replaces too", async () => {
            const { state, inputs, id } = await signed({ earlyRenewalHours: 5 });
            const fresh = await tls.read(SIGNED, id, ending(state, 6), inputs);
            assert.equal(fresh.properties["readyForRenewal"], false);
            const due = await tls.read(SIGNED, id, ending(state, 4), inputs);
            assert.equal(due.properties["readyForRenewal"], true);
            assert.ok(isSecret(due.properties["caPrivateKeyPem"]));
            const diff = await tls.diff(SIGNED, due.properties, inputs);
            assert.deepEqual(diff.replaces, ["readyForRenewal"]);
        });

        it("is due at once when the early hours equal the certificate's hours", async () => {
            const { state } = await signed({ validityPeriodHours: 10, earlyRenewalHours: 10 });
            assert.equal(state["readyForRenewal"], true);
        });
    });
});
