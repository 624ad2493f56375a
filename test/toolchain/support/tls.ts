/** Runs the tls plugin and makes what its tests share: keys, a CA, a signed certificate. */
import { after, before } from "mocha";
import { plain, type Plugin, type Properties, startProvider, urnOf } from "./provider.ts";

export const KEY = urnOf("tls:index/privateKey:PrivateKey");
export const REQUEST = urnOf("tls:index/certRequest:CertRequest");
export const SELF_SIGNED = urnOf("tls:index/selfSignedCert:SelfSignedCert");
export const SIGNED = urnOf("tls:index/locallySignedCert:LocallySignedCert");

/** Starts the plugin for the tests of a `describe`, and stops it after them. */
export function useTls() {
    let started: Plugin | undefined;
    before(async () => {
        started = await startProvider("tls");
        await started.configure();
    });
    after(() => started?.stop());
    // Tests are declared before the plugin runs.
    const tls = new Proxy({} as Plugin, {
        get: (_target, name): unknown => Reflect.get(started!, name),
    });

    const text = (state: Properties, name: string) => plain(state[name]) as string;

    async function key(inputs: Properties = { algorithm: "ECDSA", ecdsaCurve: "P256" }) {
        return (await tls.create(KEY, inputs)).properties;
    }

    /** Inputs of a CA's certificate, without its key. */
    const CA = {
        validityPeriodHours: 100,
        allowedUses: ["cert_signing", "crl_signing"],
        isCaCertificate: true,
        subject: { commonName: "Test CA" },
    };

    async function authority(more: Properties = {}) {
        const caKey = await key();
        const inputs = { ...CA, privateKeyPem: text(caKey, "privateKeyPem"), ...more };
        const made = await tls.create(SELF_SIGNED, inputs);
        return { caKey, inputs, state: made.properties, id: made.id };
    }

    async function signed(more: Properties = {}, about: Properties = {}) {
        const ca = await authority();
        const own = await key();
        const request = await tls.create(REQUEST, {
            privateKeyPem: text(own, "privateKeyPem"),
            dnsNames: ["broker.fly.dev"],
            ipAddresses: ["127.1.2.3", "2001:db8::1"],
            subject: { commonName: "broker.fly.dev", organization: "Test" },
            ...about,
        });
        const inputs = {
            certRequestPem: text(request.properties, "certRequestPem"),
            caCertPem: text(ca.state, "certPem"),
            caPrivateKeyPem: text(ca.caKey, "privateKeyPem"),
            validityPeriodHours: 48,
            allowedUses: ["digital_signature", "server_auth"],
            ...more,
        };
        const made = await tls.create(SIGNED, inputs);
        return { ca, own, inputs, state: made.properties, id: made.id };
    }
    return { tls, text, key, CA, authority, signed };
}
