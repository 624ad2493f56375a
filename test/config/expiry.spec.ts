import assert from "node:assert/strict";
import { deployedFrom, type Deployed } from "../../config/deployed.ts";
import { expiryWarnings } from "../../config/expiry.ts";
import { parseSettings } from "../../config/settings.ts";
import { issue, makeAuthority } from "../../dev/harness/certificates.ts";

const NOW = new Date("2027-06-01T12:00:00Z");

function inDays(days: number): Date {
    return new Date(NOW.getTime() + days * 24 * 3600 * 1000);
}

const COMPONENT = "urn:pulumi:dev::appkata-mqtt::appkata-mqtt:index:Certificates";

/** The stack's certificates by resource; CA 2 signed the server's. */
const pems: Record<string, string> = {};

before(async () => {
    const [first, second] = [await makeAuthority("test CA"), await makeAuthority("test CA 2")];
    Object.assign(pems, { ca: first.pem, "ca-2": second.pem });
    pems.server = (await issue(second, ["broker.test"])).chain;
    pems.pump = (await issue(second, ["pump"], { client: true })).chain;
    pems["pump before"] = (await issue(first, ["pump"], { client: true })).chain;
});

/** A stack's state with these certificates. */
function stateOf(server: Date, authorities: Record<string, Date>, ca?: Record<string, string>) {
    const certificate = (type: string, name: string, end: Date) => [
        `${COMPONENT}$${type}::${name}`,
        { type, outputs: { validityEndTime: end.toISOString(), certPem: pems[name] ?? "" } },
    ];
    return Object.fromEntries([
        [
            "urn:pulumi:dev::appkata-mqtt::pulumi:pulumi:Stack::appkata-mqtt-dev",
            { type: "pulumi:pulumi:Stack", outputs: ca ? { expiry: { server: "", ca } } : {} },
        ],
        [`${COMPONENT}::certificates`, { type: "appkata-mqtt:index:Certificates", outputs: {} }],
        certificate("tls:index/locallySignedCert:LocallySignedCert", "server", server),
        certificate("tls:index/locallySignedCert:LocallySignedCert", "ca-by-ca-2", inDays(3000)),
        ...Object.entries(authorities).map(([name, end]) =>
            certificate("tls:index/selfSignedCert:SelfSignedCert", name, end),
        ),
    ]) as Parameters<typeof deployedFrom>[0];
}

describe("certificates of a stack's state", () => {
    const [end, old] = [inDays(3600), inDays(200)];

    it("are none before the first up", () => {
        assert.deepEqual(deployedFrom({}, NOW), {
            ...{ authorities: new Map(), server: undefined, issuer: undefined },
            ...{ published: new Set(), clients: new Map(), clientIssuers: new Map() },
            ...{
                clientPems: {},
                revocations: new Map(),
                image: undefined,
                queues: undefined,
                broker: undefined,
            },
            ...{ passwords: { kept: [], former: [] }, devices: { devices: [], former: [] } },
            ...{ revoked: [], appName: undefined, volume: undefined, commonNames: new Map() },
            volumeId: undefined,
        });
    });

    it("are the server's and each generation's of the CA", () => {
        const state = stateOf(inDays(100), { ca: end, "ca-2": old });
        assert.deepEqual(deployedFrom(state, NOW), {
            authorities: new Map([
                [1, { end, held: end }],
                [2, { end: old, held: old }],
            ]),
            server: inDays(100),
            issuer: 2,
            published: new Set(),
            clients: new Map(),
            clientIssuers: new Map(),
            clientPems: {},
            ...{ passwords: { kept: [], former: [] }, devices: { devices: [], former: [] } },
            queues: undefined,
            broker: undefined,
            revocations: new Map(),
            revoked: [],
            appName: undefined,
            volume: undefined,
            volumeId: undefined,
            commonNames: new Map([
                [1, "test CA"],
                [2, "test CA 2"],
            ]),
            image: undefined,
        });
    });

    it("come with the volume that the machine mounts if the first up has not ended", () => {
        const type = "pulumi-nodejs:dynamic/fly:Machine";
        const config = { mounts: [{ volume: "vol_1", path: "/mosquitto/data" }] };
        const state = { [`urn:pulumi:dev::p::${type}::mosquitto`]: { type, outputs: { config } } };
        assert.equal(deployedFrom(state, NOW).volumeId, "vol_1");
    });

    it("keep the names of app and CAs if only the components have them", () => {
        const component = (name: string, outputs: Record<string, unknown>) => {
            const type = `appkata-mqtt:index:${name}`;
            return { [`urn:pulumi:dev::p::${type}::x`]: { type, outputs } };
        };
        const state = {
            ...component("FlyApp", { appName: "told" }),
            ...component("Certificates", { caPem: `${pems["ca-2"]}${pems.ca}` }),
        };
        const { appName, commonNames, authorities } = deployedFrom(state, NOW);
        assert.equal(appName, "told");
        assert.deepEqual(
            commonNames,
            new Map([
                [1, "test CA"],
                [2, "test CA 2"],
            ]),
        );
        assert.deepEqual(authorities, new Map());
    });

    it("include revocation lists, also those that only the outputs still have", () => {
        const record = { issued: [], revoked: [], number: 3, thisUpdate: NOW.toISOString() };
        const list = (name: string, number: number) => {
            const type = "pulumi-nodejs:dynamic/kept:RevocationList";
            const urn = `urn:pulumi:dev::p::appkata-mqtt:index:Revocation$${type}::${name}`;
            return { [urn]: { type, outputs: { ...record, number, caCertPem: pems[name] } } };
        };
        const stack = { type: "pulumi:pulumi:Stack", outputs: { revocations: { 2: record } } };
        assert.deepEqual(
            deployedFrom({ "urn::stack": stack, ...list("ca", 4) }, NOW).revocations,
            new Map([
                [2, record],
                [1, { ...record, number: 4 }],
            ]),
        );
        const newer = deployedFrom({ "urn::stack": stack, ...list("ca-2", 4) }, NOW).revocations;
        assert.equal(newer.get(2)?.number, 4);
    });

    /** With CAs 1 and 2, and a certificate of pump's signed by CA 2. */
    function stateWithClients(outputs: Record<string, unknown> = {}) {
        const state = stateOf(inDays(100), { ca: end, "ca-2": end }, { 1: end.toISOString() });
        const stack = Object.values(state).find(({ type }) => type === "pulumi:pulumi:Stack")!;
        const type = "tls:index/locallySignedCert:LocallySignedCert";
        const component = "urn:pulumi:dev::p::appkata-mqtt:index:ClientCertificates";
        const clients = ["pump", "appkata-verification"].map((name) => [
            `${component}$${type}::${name}`,
            { type, outputs: { validityEndTime: end.toISOString(), certPem: pems.pump } },
        ]);
        Object.assign(stack.outputs, outputs);
        return { ...state, ...Object.fromEntries(clients) } as typeof state;
    }

    it("are those of clients, without the verification's", () => {
        const { clients, clientPems, clientIssuers } = deployedFrom(stateWithClients(), NOW);
        assert.deepEqual(clients, new Map([["pump", end]]));
        assert.deepEqual(clientPems, { pump: pems.pump });
        assert.deepEqual(clientIssuers, new Map([["pump", new Set([2])]]));
    });

    it("include clients' certificates in the outputs, and the published CAs", () => {
        const one = { certificatePem: pems["pump before"], privateKeyPem: "" };
        const state = stateWithClients({ clientCertificates: { pump: one } });
        const { clientPems, clientIssuers, published } = deployedFrom(state, NOW);
        assert.deepEqual(clientPems, { pump: pems.pump });
        assert.deepEqual(clientIssuers, new Map([["pump", new Set([2, 1])]]));
        assert.deepEqual(published, new Set([1]));
    });

    it("keep the one that clients had before a renewal, until it expires", () => {
        const held = (at: Date) =>
            deployedFrom(stateOf(end, { ca: end }, { 1: at.toISOString() }), NOW).authorities.get(
                1,
            );
        assert.deepEqual(held(old), { end, held: old });
        assert.deepEqual(held(inDays(-1)), { end, held: end });
    });
});

describe("warning of certificates that expire", () => {
    const users = JSON.stringify([{ name: "tester", everything: true }]);
    const far = inDays(2000);

    function warnings(deployed: Partial<Deployed>, raw: Record<string, string> = {}): string[] {
        const settings = parseSettings({ users, ...raw }, "test");
        return expiryWarnings({ ...deployedFrom({}, NOW), ...deployed }, settings, NOW);
    }

    const ofCa = (end: Date, held: Date, raw?: Record<string, string>) =>
        warnings({ authorities: new Map([[1, { end, held }]]) }, raw);

    it("is silent while all expiry dates are far away, and on a first up", () => {
        assert.deepEqual(warnings({ server: inDays(31) }), []);
        assert.deepEqual(ofCa(far, far), []);
        assert.deepEqual(warnings({}), []);
    });

    it("names the day, the days left and the renewal of a server certificate", () => {
        assert.deepEqual(warnings({ server: inDays(20.5) }), [
            "the server certificate ends on 2027-06-22, in 20 days; `pulumi up` renews it, clients have nothing to do",
        ]);
        assert.match(warnings({ server: inDays(1.5) })[0]!, / in 1 day; /);
        assert.match(warnings({ server: inDays(-1) })[0]!, / ended on 2027-05-31; `pulumi up` ren/);
    });

    it("names the day from which a server certificate is renewed", () => {
        const [line, ...more] = warnings({ server: inDays(20) }, { certificateRenewDays: "5" });
        assert.match(line!, /renews it from 2027-06-16 on \(certificateRenewDays: 5\)$/);
        assert.deepEqual(more, []);
    });

    it("names a client that needs its new certificate", () => {
        const clients = new Map([["tester", inDays(20)]]);
        const raw = { clientCertificates: "required", devices: JSON.stringify(["tester"]) };
        assert.deepEqual(warnings({ clients }, raw), [
            "the client certificate of tester ends on 2027-06-21, in 20 days; `pulumi up` renews it, give tester the new one (output clientCertificates) by then",
        ]);
        assert.deepEqual(warnings({ clients }), [], "no device any more");
    });

    it("follows the setting", () => {
        const deployed = { server: inDays(50) };
        assert.equal(warnings(deployed, { expiryWarningDays: "60" }).length, 1);
        assert.equal(warnings({ server: inDays(20) }, { expiryWarningDays: "7" }).length, 0);
    });

    it("warns about a CA's clients when up renews it, and before the old certificate expires", () => {
        const renewed = ofCa(inDays(364), inDays(364));
        assert.match(renewed[0]!, /^the certificate of CA 1 ends on 2028-05-30, in 364 days; `pul/);
        assert.match(renewed[0]!, /connect until it ends: give clients certs\/STACK\/rootCA\.pem/);
        assert.deepEqual(ofCa(far, inDays(31)), []);
        const [late] = ofCa(far, inDays(30));
        assert.match(
            late!,
            /^a certificate of CA 1 that clients may still have ends on 2027-07-01/,
        );
    });

    it("is silent about a dropped CA", () => {
        const raw = { caTrusted: "[2]", caIssuer: "2" };
        assert.deepEqual(ofCa(inDays(1), inDays(1), raw), []);
    });
});
