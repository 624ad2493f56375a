/**
 * Runs the manual setup that this project replaces (see dev/bench/README.md), for comparison: the stock image
 * with its configuration, a certificate like mkcert's and a password file like mosquitto_passwd's.
 */
import { pbkdf2Sync, randomBytes } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { ensureBaseImage } from "../toolchain/base-image/index.ts";
import { capture } from "../../lib/process.ts";
import type { Series } from "../../broker/conf.ts";
import { BASE_IMAGES, BrokerContainer } from "./brokerContainer.ts";

/**
 * The manual setup's configuration, written for Mosquitto 1, with one added line. Without `listener`, 2.0
 * accepts only local connections, without TLS.
 */
const CONF = `persistence true
persistence_file mosquitto.db
persistence_location /mosquitto/data/

allow_anonymous false
password_file /etc/mosquitto/passwd

listener 1883
cafile /etc/mosquitto/certs/rootCA.pem
certfile /etc/mosquitto/certs/mqtt-server.crt
keyfile /etc/mosquitto/certs/mqtt-server.key
require_certificate false
tls_version tlsv1.2
`;

export interface OldSetup {
    broker: BrokerContainer;
    caPem: string;
}

/**
 * Creates its container, but does not start it.
 * @param names names in its certificate
 * @param users name → password
 * @param series 2.0 is the series of the old setup's tag, `openssl`
 */
export async function makeOldSetup(
    names: string[],
    users: Record<string, string>,
    series: Series = "2.0",
): Promise<OldSetup> {
    const image = BASE_IMAGES[series];
    await ensureBaseImage(image, () => undefined);
    const { ca, certificate, key } = await rsaCertificate(names);
    const broker = await BrokerContainer.create({
        image,
        files: {
            "/etc/mosquitto/mosquitto.conf": CONF,
            "/etc/mosquitto/passwd": Object.entries(users)
                .map(([user, password]) => `${user}:${hashed(password)}\n`)
                .join(""),
            "/etc/mosquitto/certs/rootCA.pem": ca,
            "/etc/mosquitto/certs/mqtt-server.crt": certificate,
            "/etc/mosquitto/certs/mqtt-server.key": key,
        },
        command: ["/usr/sbin/mosquitto", "-c", "/etc/mosquitto/mosquitto.conf"],
    });
    return { broker, caPem: ca };
}

/** mosquitto_passwd's iterations in 2.0. */
function hashed(password: string): string {
    const salt = randomBytes(12);
    const hash = pbkdf2Sync(password, salt, 101, 64, "sha512");
    return `$7$101$${salt.toString("base64")}$${hash.toString("base64")}`;
}

/** Like mkcert: RSA with 3072 bits for the CA and 2048 for the server. */
async function rsaCertificate(
    names: string[],
): Promise<{ ca: string; certificate: string; key: string }> {
    const cwd = mkdtempSync(path.join(tmpdir(), "old-setup-"));
    const read = (file: string) => readFileSync(path.join(cwd, file), "utf8");
    const openssl = async (...args: string[]) => {
        const ended = await capture(["openssl", ...args], { cwd });
        if (ended.code !== 0) throw new Error(`openssl: ${ended.stderr}`);
    };
    const request = ["req", "-x509", "-nodes", "-days", "30", "-sha256"];
    const kind = (name: string) => (/^[\d.]+$/.test(name) ? `IP:${name}` : `DNS:${name}`);
    const alternatives = names.map(kind).join();
    const server = [
        ...["basicConstraints=critical,CA:FALSE", "extendedKeyUsage=serverAuth"],
        ...["keyUsage=critical,digitalSignature,keyEncipherment"],
        `subjectAltName=${alternatives}`,
    ];
    try {
        const ca = ["-newkey", "rsa:3072", "-keyout", "ca.key", "-out", "ca.crt"];
        await openssl(...request, ...ca, "-subj", "/CN=mkcert development CA");
        await openssl(
            ...[...request, "-newkey", "rsa:2048", "-keyout", "server.key", "-out", "server.crt"],
            ...["-CA", "ca.crt", "-CAkey", "ca.key", "-subj", `/CN=${names[0]}`],
            ...server.flatMap((extension) => ["-addext", extension]),
        );
        return { ca: read("ca.crt"), certificate: read("server.crt"), key: read("server.key") };
    } finally {
        rmSync(cwd, { recursive: true });
    }
}
