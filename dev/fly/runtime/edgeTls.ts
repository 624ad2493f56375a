import type { Socket } from "node:net";
import { createSecureContext, TLSSocket } from "node:tls";
import type { Port } from "../model/config.ts";
import type { EdgeCertificate } from "../publicCa.ts";

/** Fly's cipher suites, which Node offers with an ECDSA key: three for TLS 1.2, three for 1.3. */
const CIPHERS = [
    "TLS_AES_128_GCM_SHA256",
    "TLS_AES_256_GCM_SHA384",
    "TLS_CHACHA20_POLY1305_SHA256",
    "ECDHE-ECDSA-AES128-GCM-SHA256",
    "ECDHE-ECDSA-AES256-GCM-SHA384",
    "ECDHE-ECDSA-CHACHA20-POLY1305",
].join(":");
const HANDSHAKE_MS = 30_000;

/** An app that a port may lead to, and how. */
export interface TlsPort {
    app: string;
    entry: Port;
}

export interface Secured {
    stream: TLSSocket;
    app: string;
}

/**
 * Ends TLS for the app whose `APP.fly.dev` the client names. A client that names no such app, or offers
 * only ALPN protocols that the port lacks, gets the matching TLS alert.
 * @returns undefined when the handshake fails
 */
export function terminate(
    raw: Socket,
    certificate: EdgeCertificate,
    ports: readonly TlsPort[],
): Promise<Secured | undefined> {
    const context = createSecureContext({ ...certificate, ciphers: CIPHERS });
    const versions = ports.flatMap(({ entry }) => entry.tls_options?.versions ?? VERSIONS);
    const named = (name: string) =>
        ports.find(({ app }) => `${app}.fly.dev` === name.toLowerCase());
    const stream = new TLSSocket(raw, {
        isServer: true,
        secureContext: createSecureContext({
            ciphers: CIPHERS,
            minVersion: versions.includes("TLSv1.2") ? "TLSv1.2" : "TLSv1.3",
            maxVersion: versions.includes("TLSv1.3") ? "TLSv1.3" : "TLSv1.2",
        }),
        // No default certificate: without a known name the handshake fails.
        SNICallback: (name, done) => done(null, named(name) && context),
        ALPNCallback: ({ servername, protocols }) => {
            const entry = named(servername)?.entry;
            return entry && alpnOf(entry).find((protocol) => protocols.includes(protocol));
        },
    });
    return new Promise((resolve) => {
        const timer = setTimeout(() => stream.destroy(), HANDSHAKE_MS);
        stream.on("error", () => stream.destroy());
        stream.once("close", () => {
            clearTimeout(timer);
            resolve(undefined);
        });
        stream.once("secure", () => {
            clearTimeout(timer);
            const app = named(stream.servername || "")?.app;
            resolve(app === undefined ? undefined : { stream, app });
        });
    });
}

const VERSIONS = ["TLSv1.2", "TLSv1.3"];

/** Protocols that a port speaks, in order of preference. HTTP/2, which Fly offers, is not simulated. */
function alpnOf({ handlers = [], tls_options }: Port): string[] {
    const offered = tls_options?.alpn ?? ["h2", "http/1.1"];
    return handlers.includes("http") ? offered.filter((name) => name !== "h2") : offered;
}
