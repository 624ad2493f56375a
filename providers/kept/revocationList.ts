/**
 * Keeps a CA's certificate revocation list (RFC 5280) in the state: certificates of users that may no longer
 * log in, until each expires. It records every certificate that the CA signed, since a renewal or a removed
 * user deletes the certificate itself from the state.
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
    /** PEM. A change (a CA renewed with the same key) signs the list again. */
    caCertPem: string;
    /** PEM of an ECDSA P-256 key. Secret. A change signs the list again. */
    caKeyPem: string;
    /** Users whose certificates are valid. All certificates of anyone else are revoked. A change is in place. */
    names: string[];
    /** Current certificates of the CA, in PEM by name. A change is in place; a certificate that is gone stays recorded. */
    certificates: Record<string, string>;
    /**
     * Certificates from before there was a list, in PEM by name; those of other CAs are ignored. Read at
     * create; a change does nothing.
     */
    earlier?: Record<string, string>;
    /** List already in the stack, which a create continues. A change does nothing. */
    before?: RevocationRecord;
}

/** A certificate on record: its user, its serial number in hexadecimal, and its expiry in ISO 8601. */
export interface Remembered {
    name: string;
    serial: string;
    end: string;
}

/** Record from which a list is built, besides the CA and the inputs. */
export interface RevocationRecord {
    issued: Remembered[];
    /** Certificates on the list, with the time of revocation in ISO 8601. */
    revoked: (Remembered & { since: string })[];
    /** Number of the list; each signed list has the next one. */
    number: number;
    /** The list's own `thisUpdate`, in ISO 8601. */
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
        // Only a create reads `before`, and has no old inputs; an update must not duplicate it in the state.
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

/** Builds the list that follows `olds`, with the same text where nothing on it changes. */
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
 * Dates a list one hour back, since a broker whose clock is slow would refuse everybody because of a list
 * from the future; but later than the previous list, since OpenSSL uses the latest.
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
    // Loaded only to sign: every preview loads this file.
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
            // An expired list would make the broker refuse every client.
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
    // RFC 7468's label; the library's is "CRL".
    return `${x509.PemConverter.encode(list.rawData, "X509 CRL")}\n`;
}

const CRL_NUMBER = "2.5.29.20";

/** Encodes a whole number below 2³¹ as an ASN.1 INTEGER. */
function derInteger(value: number): Uint8Array<ArrayBuffer> {
    const bytes = Buffer.alloc(4);
    bytes.writeInt32BE(value);
    const first = bytes.findIndex((byte, at) => byte !== 0 || bytes[at + 1]! >= 0x80 || at === 3);
    return Uint8Array.from([0x02, 4 - first, ...bytes.subarray(first)]);
}
