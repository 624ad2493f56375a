/** Creates a CA and certificates signed by it, in PEM. Imported when first needed: the library is large. */
import "reflect-metadata";
import { webcrypto } from "node:crypto";
import * as x509 from "@peculiar/x509";

export interface Pair {
    cert: string;
    /** The private key in PKCS #8. */
    key: string;
}

x509.cryptoProvider.set(webcrypto as unknown as Parameters<typeof x509.cryptoProvider.set>[0]);

const ALGORITHM = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };
const HOUR = 3600 * 1000;

export async function makeAuthority(name: string, days: number): Promise<Pair> {
    const keys = await makeKeys();
    const certificate = await x509.X509CertificateGenerator.createSelfSigned({
        name: `CN=${name}`,
        keys,
        signingAlgorithm: ALGORITHM,
        ...validFor(days),
        extensions: [
            new x509.BasicConstraintsExtension(true, 0, true),
            new x509.KeyUsagesExtension(
                x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign,
                true,
            ),
            await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
        ],
    });
    return { cert: `${certificate.toString("pem")}\n`, key: await keyPem(keys) };
}

/** Issues a server certificate for host names. */
export async function issue(authority: Pair, names: string[], days: number): Promise<Pair> {
    const keys = await makeKeys();
    const issuer = new x509.X509Certificate(authority.cert);
    const signingKey = await webcrypto.subtle.importKey(
        "pkcs8",
        x509.PemConverter.decodeFirst(authority.key),
        ALGORITHM,
        false,
        ["sign"],
    );
    const certificate = await x509.X509CertificateGenerator.create({
        subject: `CN=${names[0]}`,
        issuer: issuer.subject,
        publicKey: keys.publicKey,
        signingKey,
        signingAlgorithm: ALGORITHM,
        ...validFor(days),
        extensions: [
            new x509.BasicConstraintsExtension(false),
            new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
            new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth]),
            new x509.SubjectAlternativeNameExtension(
                names.map((value) => ({ type: "dns" as const, value })),
            ),
            await x509.AuthorityKeyIdentifierExtension.create(issuer),
        ],
    });
    return { cert: `${certificate.toString("pem")}\n`, key: await keyPem(keys) };
}

function validFor(days: number) {
    const notBefore = new Date(Date.now() - HOUR);
    return { notBefore, notAfter: new Date(notBefore.getTime() + days * 24 * HOUR) };
}

function makeKeys(): Promise<webcrypto.CryptoKeyPair> {
    return webcrypto.subtle.generateKey(ALGORITHM, true, ["sign", "verify"]);
}

async function keyPem(keys: webcrypto.CryptoKeyPair): Promise<string> {
    const key = await webcrypto.subtle.exportKey("pkcs8", keys.privateKey);
    return `${x509.PemConverter.encode(key, "PRIVATE KEY")}\n`;
}
