import "reflect-metadata";
import { webcrypto } from "node:crypto";
import * as x509 from "@peculiar/x509";

x509.cryptoProvider.set(webcrypto as unknown as Parameters<typeof x509.cryptoProvider.set>[0]);

const ALGORITHM = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };
const DAY = 24 * 3600 * 1000;

/** A certificate authority for tests, like the one that the program makes. */
export interface Authority {
    pem: string;
    certificate: x509.X509Certificate;
    keys: webcrypto.CryptoKeyPair;
}

export interface Issuing {
    /** For a client; its first name is the user's. */
    client?: boolean;
    /** Its subject. @default the first name as its common name */
    subject?: x509.JsonNameParams;
    /** Its extended key usage, as OIDs; none for a certificate without that extension. */
    usages?: string[];
    /** When it becomes valid. @default a day before now or its end */
    notBefore?: Date;
    /** When it expires; in the past for an expired one. */
    notAfter?: Date;
    /** Adds a cross-signed certificate to the chain, so that clients of this other CA accept the server. */
    crossed?: Authority;
}

export interface ServerCertificate {
    /** The certificate, then the CA's or the cross-signed one. */
    chain: string;
    /** PKCS #8 PEM. */
    key: string;
}

export async function makeAuthority(name = "Test CA"): Promise<Authority> {
    const keys = await makeKeys();
    const certificate = await x509.X509CertificateGenerator.createSelfSigned({
        name: `CN=${name}`,
        keys,
        signingAlgorithm: ALGORITHM,
        notBefore: new Date(Date.now() - DAY),
        notAfter: new Date(Date.now() + 365 * DAY),
        extensions: [
            new x509.BasicConstraintsExtension(true, undefined, true),
            new x509.KeyUsagesExtension(
                x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign,
                true,
            ),
        ],
    });
    return { pem: certificate.toString("pem"), certificate, keys };
}

/** Issues a server's or client's certificate for names and addresses. */
export async function issue(
    authority: Authority,
    names: string[],
    { crossed, client, ...options }: Issuing = {},
): Promise<ServerCertificate> {
    const { notAfter = new Date(Date.now() + 30 * DAY) } = options;
    const {
        subject = [{ CN: [{ utf8String: names[0] ?? "server" }] }],
        usages = [client ? x509.ExtendedKeyUsage.clientAuth : x509.ExtendedKeyUsage.serverAuth],
        notBefore = new Date(Math.min(Date.now(), notAfter.getTime()) - DAY),
    } = options;
    const keys = await makeKeys();
    const certificate = await x509.X509CertificateGenerator.create({
        subject: new x509.Name(subject),
        issuer: authority.certificate.subject,
        notBefore,
        notAfter,
        publicKey: keys.publicKey,
        signingKey: authority.keys.privateKey,
        signingAlgorithm: ALGORITHM,
        extensions: [
            new x509.BasicConstraintsExtension(false),
            new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
            ...(usages.length > 0 ? [new x509.ExtendedKeyUsageExtension(usages)] : []),
            ...(names.length > 0 ? [alternatives(names)] : []),
        ],
    });
    const key = await webcrypto.subtle.exportKey("pkcs8", keys.privateKey);
    return {
        chain: `${certificate.toString("pem")}\n${crossed ? await crossSign(authority, crossed) : authority.pem}\n`,
        key: `${x509.PemConverter.encode(key, "PRIVATE KEY")}\n`,
    };
}

function alternatives(names: string[]): x509.SubjectAlternativeNameExtension {
    return new x509.SubjectAlternativeNameExtension(
        names.map((value) => ({ type: /^[\d.]+$|:/.test(value) ? "ip" : "dns", value })),
    );
}

/** The holder of a certificate that is no CA's, to sign others with its key all the same. */
export async function actingAsAuthority(cert: string, key: string): Promise<Authority> {
    const certificate = new x509.X509Certificate(cert);
    const bytes = x509.PemConverter.decodeFirst(key);
    const privateKey = await webcrypto.subtle.importKey("pkcs8", bytes, ALGORITHM, true, ["sign"]);
    const { rawData } = certificate.publicKey;
    const publicKey = await webcrypto.subtle.importKey("spki", rawData, ALGORITHM, true, [
        "verify",
    ]);
    return { pem: cert, certificate, keys: { privateKey, publicKey } };
}

/** A certificate with another name of the same length written into it, so that its signature is wrong. */
export function renamed(cert: string, from: string, to: string): string {
    const text = Buffer.from(x509.PemConverter.decodeFirst(cert)).toString("latin1");
    return x509.PemConverter.encode(
        Buffer.from(text.replaceAll(from, to), "latin1"),
        "CERTIFICATE",
    );
}

/** The authority's key and name in a certificate that the other CA signs. */
async function crossSign(authority: Authority, by: Authority): Promise<string> {
    const certificate = await x509.X509CertificateGenerator.create({
        subject: authority.certificate.subject,
        issuer: by.certificate.subject,
        notBefore: authority.certificate.notBefore,
        notAfter: authority.certificate.notAfter,
        publicKey: authority.keys.publicKey,
        signingKey: by.keys.privateKey,
        signingAlgorithm: ALGORITHM,
        extensions: [
            new x509.BasicConstraintsExtension(true, undefined, true),
            new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign, true),
        ],
    });
    return certificate.toString("pem");
}

/** The CA's private key, PKCS #8 PEM. */
export async function keyOf({ keys }: Authority): Promise<string> {
    const key = await webcrypto.subtle.exportKey("pkcs8", keys.privateKey);
    return `${x509.PemConverter.encode(key, "PRIVATE KEY")}\n`;
}

function makeKeys(): Promise<webcrypto.CryptoKeyPair> {
    return webcrypto.subtle.generateKey(ALGORITHM, true, ["sign", "verify"]);
}
