import { X509Certificate } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** Key and certificate (PEM) for `*.fly.dev`, with which the edge ends TLS. */
export interface EdgeCertificate {
    cert: string;
    key: string;
}

/** Files in the instance's directory: the first is public, the others are for the edge alone. */
export const PUBLIC_CA_FILES = ["public-ca.pem", "public-ca.key", "edge.crt", "edge.key"] as const;
const [CA, CA_KEY, CERT, KEY] = PUBLIC_CA_FILES;

const DAY = 24 * 3600 * 1000;
const CA_DAYS = 3650;
const CERT_DAYS = 90;
const RENEW_DAYS = 30;

/**
 * Stands in for the public CA that signs Fly's certificates. Clients here trust its `public-ca.pem`;
 * Node does so through NODE_EXTRA_CA_CERTS. The file exists from the start; an instance in a temporary
 * directory leaves it empty until the edge first ends TLS, since making a CA takes a third of a second.
 */
export class PublicCa {
    /** The CA's certificate, a PEM file. */
    readonly file: string;
    readonly #dir: string;
    #issued: Promise<EdgeCertificate> | undefined;

    constructor(dir: string) {
        this.#dir = dir;
        this.file = join(dir, CA);
        if (!existsSync(this.file)) writeFileSync(this.file, "");
    }

    /** Returns the certificate for `*.fly.dev`, and makes one if it is missing or expires soon. */
    certificate(): Promise<EdgeCertificate> {
        this.#issued ??= this.#ensure();
        return this.#issued;
    }

    /** Resolves when nothing is being written any more. */
    async close(): Promise<void> {
        await this.#issued?.catch(() => undefined);
    }

    async #ensure(): Promise<EdgeCertificate> {
        const [ca, caKey, cert, key] = PUBLIC_CA_FILES.map((name) => this.#read(name));
        if (cert !== undefined && key !== undefined && daysLeft(cert) > RENEW_DAYS) {
            return { cert, key };
        }
        const { issue, makeAuthority } = await import("./x509.ts");
        let authority =
            ca && caKey && daysLeft(ca) > CERT_DAYS ? { cert: ca, key: caKey } : undefined;
        if (authority === undefined) {
            authority = await makeAuthority("Local Fly's public CA", CA_DAYS);
            this.#write(CA_KEY, authority.key);
            this.#write(CA, authority.cert);
        }
        const issued = await issue(authority, ["*.fly.dev", "fly.dev"], CERT_DAYS);
        this.#write(KEY, issued.key);
        this.#write(CERT, issued.cert);
        return issued;
    }

    #read(name: string): string | undefined {
        const file = join(this.#dir, name);
        return existsSync(file) ? readFileSync(file, "utf8") : undefined;
    }

    #write(name: string, text: string): void {
        writeFileSync(join(this.#dir, name), text, { mode: name === CA ? 0o644 : 0o600 });
    }
}

/** Days until a PEM certificate expires; none if the text has no certificate. */
function daysLeft(pem: string): number {
    if (pem === "") return 0;
    return (new Date(new X509Certificate(pem).validTo).getTime() - Date.now()) / DAY;
}
