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
    /** For a client, whose name is the first. */
    client?: boolean;
    /** When it ends; in the past for an expired one. */
    notAfter?: Date;
    /** Another CA, whose clients are led to this one by a certificate in the chain. */
    crossed?: Authority;
}

export interface ServerCertificate {
    /** The certificate, then the CA's, or what leads to another CA. */
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

/** A server certificate for names and addresses. */
export async function issue(
    authority: Authority,
    names: string[],
    { notAfter = new Date(Date.now() + 30 * DAY), crossed, client }: Issuing = {},
): Promise<ServerCertificate> {
    const keys = await makeKeys();
    const certificate = await x509.X509CertificateGenerator.create({
        subject: `CN=${names[0] ?? "server"}`,
        issuer: authority.certificate.subject,
        notBefore: new Date(Math.min(Date.now(), notAfter.getTime()) - DAY),
        notAfter,
        publicKey: keys.publicKey,
        signingKey: authority.keys.privateKey,
        signingAlgorithm: ALGORITHM,
        extensions: [
            new x509.BasicConstraintsExtension(false),
            new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
            new x509.ExtendedKeyUsageExtension([
                client ? x509.ExtendedKeyUsage.clientAuth : x509.ExtendedKeyUsage.serverAuth,
            ]),
            new x509.SubjectAlternativeNameExtension(
                names.map((value) => ({ type: /^[\d.]+$|:/.test(value) ? "ip" : "dns", value })),
            ),
        ],
    });
    const key = await webcrypto.subtle.exportKey("pkcs8", keys.privateKey);
    return {
        chain: `${certificate.toString("pem")}\n${crossed ? await crossSign(authority, crossed) : authority.pem}\n`,
        key: `${x509.PemConverter.encode(key, "PRIVATE KEY")}\n`,
    };
}

/** The authority's key and name once more, signed by the other. */
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
