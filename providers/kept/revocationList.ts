/**
 * A CA's certificate revocation list (RFC 5280) in the state: the certificates of those who may no
 * longer log in, until each has ended. It remembers what the CA has signed, since the state has no
 * certificate any more once it is renewed or its user is gone.
 */
import { createPrivateKey, webcrypto, X509Certificate } from "node:crypto";
import {
    diffProperties,
    failuresOf,
    isUnknown,
    toState,
    type PropertyRules,
    type Provider,
} from "../provider.ts";

export interface RevocationListInputs {
    /** PEM. A change (the CA renewed with its key) signs the list anew. */
    caCertPem: string;
    /** PEM of an ECDSA P-256 key. Secret. A change signs the list anew. */
    caKeyPem: string;
    /** Whose certificates hold, by whichever CA. Who is left out has all of them revoked. */
    names: string[];
    /** Those that the CA signs now, in PEM by name. One that is gone is remembered. */
    certificates: Record<string, string>;
    /**
     * Those there were before there was a list, in PEM by name; of other CAs' it takes no notice. Read
     * when the list is first made: a change does nothing.
     */
    earlier?: Record<string, string>;
    /**
     * The list that the stack has already: made again, it goes on from there. A change does nothing.
     */
    before?: RevocationRecord;
}

/** A certificate: whose it is, its serial number in hexadecimal, and when it ends, in ISO 8601. */
export interface Remembered {
    name: string;
    serial: string;
    end: string;
}

/** All that a list is made from beside the CA and the inputs. */
export interface RevocationRecord {
    issued: Remembered[];
    /** Those on the list, with the time since when, in ISO 8601. */
    revoked: (Remembered & { since: string })[];
    /** Of the list, which grows by one with each that is signed. */
    number: number;
    /** When the list was made, as it says itself, in ISO 8601. */
    thisUpdate: string;
}

export interface RevocationListOutputs extends RevocationListInputs, RevocationRecord {
    /** PEM. Valid until the CA's certificate ends. */
    crlPem: string;
}

const REVOCATION_LIST_RULES: PropertyRules<RevocationListInputs> = {
    caCertPem: { effect: "update" },
    caKeyPem: { effect: "update" },
    names: { effect: "update" },
    certificates: { effect: "update" },
    earlier: { effect: "none", optional: true },
    before: { effect: "none", optional: true },
};

export const revocationList: Provider<RevocationListInputs, RevocationListOutputs> = {
    configure: () => Promise.resolve(),

    check(olds, news) {
        const wrong = !isUnknown(news.names) && !Array.isArray(news.names);
        const failures = failuresOf([["names", wrong ? "must be a list of names" : undefined]]);
        // Read by a create alone, which is checked with no old inputs; the state has it once.
        const inputs = { ...news };
        if (Object.keys(olds ?? {}).length > 0) delete inputs.before;
        return Promise.resolve({ inputs, failures });
    },

    diff(_id, olds, news) {
        const { changed, replaces } = diffProperties(olds, news, REVOCATION_LIST_RULES);
        return Promise.resolve({ changes: changed.length > 0, replaces });
    },

    async create(inputs) {
        const outs = await nextList(inputs, undefined, new Date());
        return { id: new X509Certificate(inputs.caCertPem).subject, outs };
    },

    read: (id, props) => Promise.resolve({ id, ...(props && { props }) }),

    async update(_id, olds, news) {
        return { outs: await nextList(news, olds, new Date()) };
    },

    delete: () => Promise.resolve(),
};

/** The list that follows `olds`: the same text where nothing of it changes. */
export async function nextList(
    inputs: RevocationListInputs,
    olds: RevocationListOutputs | undefined,
    now: Date,
): Promise<RevocationListOutputs> {
    const last = olds ?? inputs.before;
    const holds = ({ end }: Remembered) => new Date(end) > now;
    const before = (last?.revoked ?? []).filter(holds);
    const known = new Map((last?.issued ?? []).map((one) => [one.serial, one]));
    const earlier = last === undefined ? signedBy(inputs.caCertPem, inputs.earlier ?? {}) : [];
    for (const [name, pem] of [...earlier, ...Object.entries(inputs.certificates)]) {
        const { serialNumber: serial, validToDate } = new X509Certificate(pem);
        known.set(serial, { name, serial, end: validToDate.toISOString() });
    }
    const issued = [...known.values()].filter(holds);
    const added = issued.filter(({ name }) => !inputs.names.includes(name));
    const revoked = [...before, ...added.map((one) => ({ ...one, since: now.toISOString() }))];
    const kept = {
        ...inputs,
        issued: issued.filter(({ name }) => inputs.names.includes(name)),
        revoked,
    };
    const serials = (all: readonly Remembered[]) => all.map(({ serial }) => serial).join();
    const same =
        olds?.caCertPem === inputs.caCertPem &&
        olds.caKeyPem === inputs.caKeyPem &&
        serials(olds.revoked) === serials(revoked);
    if (same) {
        const { number, thisUpdate, crlPem } = olds;
        return toState({ ...kept, number, thisUpdate, crlPem });
    }
    const number = (last?.number ?? 0) + 1;
    const thisUpdate = nextUpdateTime(last?.thisUpdate, now);
    const crlPem = await sign(inputs, revoked, number, thisUpdate);
    return toState({ ...kept, number, thisUpdate: thisUpdate.toISOString(), crlPem });
}

function signedBy(caCertPem: string, pems: Record<string, string>): [string, string][] {
    const { publicKey } = new X509Certificate(caCertPem);
    return Object.entries(pems).filter(([, pem]) => new X509Certificate(pem).verify(publicKey));
}

const HOUR_MS = 3600 * 1000;

/**
 * An hour back, since a broker whose clock is behind would refuse everybody over a list of the future;
 * but later than the one before, since OpenSSL goes by the latest.
 */
function nextUpdateTime(before: string | undefined, now: Date): Date {
    const after = before === undefined ? 0 : Date.parse(before) + 1000;
    return new Date(Math.max(now.getTime() - HOUR_MS, after));
}

const ALGORITHM = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };

async function sign(
    { caCertPem, caKeyPem }: RevocationListInputs,
    revoked: RevocationListOutputs["revoked"],
    number: number,
    thisUpdate: Date,
): Promise<string> {
    // Loaded for a list that is signed alone: every preview loads this file.
    await import("reflect-metadata");
    const x509 = await import("@peculiar/x509");
    const crypto = webcrypto as unknown as Parameters<typeof x509.cryptoProvider.set>[0];
    const ca = new x509.X509Certificate(caCertPem);
    const pkcs8 = createPrivateKey(caKeyPem).export({ type: "pkcs8", format: "der" });
    const signingKey = await webcrypto.subtle.importKey("pkcs8", pkcs8, ALGORITHM, false, ["sign"]);
    const list = await x509.X509CrlGenerator.create(
        {
            issuer: ca.subjectName,
            thisUpdate,
            // With an earlier end every client would be refused from then on.
            nextUpdate: ca.notAfter,
            entries: revoked.map(({ serial, since }) => ({
                serialNumber: serial,
                revocationDate: new Date(since),
            })),
            extensions: [
                await x509.AuthorityKeyIdentifierExtension.create(ca.publicKey, false, crypto),
                new x509.Extension(CRL_NUMBER, false, derInteger(number)),
            ],
            signingAlgorithm: ALGORITHM,
            signingKey,
        },
        crypto,
    );
    // The library's own label for it, "CRL", is not RFC 7468's.
    return `${x509.PemConverter.encode(list.rawData, "X509 CRL")}\n`;
}

const CRL_NUMBER = "2.5.29.20";

/** A whole number below 2³¹ as ASN.1's INTEGER. */
function derInteger(value: number): Uint8Array<ArrayBuffer> {
    const bytes = Buffer.alloc(4);
    bytes.writeInt32BE(value);
    const first = bytes.findIndex((byte, at) => byte !== 0 || bytes[at + 1]! >= 0x80 || at === 3);
    return Uint8Array.from([0x02, 4 - first, ...bytes.subarray(first)]);
}
