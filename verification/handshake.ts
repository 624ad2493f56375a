import { isIP, isIPv6 } from "node:net";
import { connect } from "node:tls";
import type { TLSSocket } from "node:tls";
import type { Endpoint } from "./target.ts";

/**
 * How a TLS handshake ended. `distrusted`: the client refused the server's certificate. `unroutable`:
 * this machine has no route to the address. `failed`: any other error, which says nothing about the
 * certificate.
 */
export type Handshake =
    | { kind: "trusted"; protocol: string; validUntil: Date }
    | { kind: "distrusted"; reason: Distrust; detail: string }
    | { kind: "unroutable"; detail: string }
    | { kind: "failed"; detail: string };

export type Distrust = "unknown CA" | "other name" | "not valid now" | "other";

const UNKNOWN_CA = new Set([
    "SELF_SIGNED_CERT_IN_CHAIN",
    "DEPTH_ZERO_SELF_SIGNED_CERT",
    "UNABLE_TO_GET_ISSUER_CERT",
    "UNABLE_TO_GET_ISSUER_CERT_LOCALLY",
    "UNABLE_TO_VERIFY_LEAF_SIGNATURE",
    "CERT_SIGNATURE_FAILURE",
]);

/** Verification errors other than those above, from Node's table of OpenSSL's X509_V_ERR codes. */
const CERTIFICATE_CODE = /^(CERT|CRL|INVALID|PATH|HOSTNAME|ERROR_IN_CERT|UNABLE_TO_(GET|DE))/;

/**
 * Opens a TLS connection, checks the certificate as clients do, and closes it.
 * @param ca the authorities to trust; undefined means the system's public ones
 */
export function handshake(
    target: Endpoint,
    ca: string[] | undefined,
    timeoutMs: number,
): Promise<Handshake> {
    return new Promise((resolve) => {
        let connected = false;
        const socket: TLSSocket = connect({
            host: target.address,
            port: target.port,
            ...nameOf(target),
            ...(ca && { ca }),
        });
        const end = (outcome: Handshake) => {
            clearTimeout(timer);
            socket.destroy();
            resolve(outcome);
        };
        const timer = setTimeout(() => {
            const what = connected ? "a connection, but no TLS answer" : "no connection";
            end({ kind: "failed", detail: `${what} within ${timeoutMs / 1000} s` });
        }, timeoutMs);
        socket.once("connect", () => (connected = true));
        socket.once("secureConnect", () => {
            end({
                kind: "trusted",
                protocol: socket.getProtocol() ?? "TLS",
                validUntil: new Date(socket.getPeerCertificate().valid_to),
            });
        });
        socket.on("error", (error: NodeJS.ErrnoException) => end(outcomeOf(error, target)));
        socket.once("close", () =>
            end({ kind: "failed", detail: "the connection closed during the handshake" }),
        );
    });
}

/** The CA that a client of the broker trusts: ours, or the system's where Fly ends TLS. */
export function trustOf(tls: Endpoint["tls"], { caPem }: Endpoint) {
    return tls === "edge" ? {} : { ca: caPem };
}

/** The TLS option that makes it check the server's name; SNI must not be an IP address. */
export function nameOf(target: Endpoint) {
    return isIP(target.hostname) === 0 ? { servername: target.hostname } : {};
}

/** Error codes for a missing route. Containers without IPv6 give EADDRNOTAVAIL. */
const NO_ROUTE = new Set(["ENETUNREACH", "EHOSTUNREACH", "EAFNOSUPPORT", "EADDRNOTAVAIL"]);

/**
 * Whether the error means that this machine lacks IPv6, which waiting does not mend. Mapped addresses
 * are IPv4.
 */
export function lacksIPv6(address: string, code: string | undefined): boolean {
    return isIPv6(address) && !/^::ffff:/i.test(address) && NO_ROUTE.has(code ?? "");
}

function outcomeOf(error: NodeJS.ErrnoException, { address }: Endpoint): Handshake {
    const code = error.code ?? "";
    if (lacksIPv6(address, code)) {
        const detail =
            `this machine has no IPv6 route, so it cannot reach ${address} (${code}); verify from ` +
            "a machine with IPv6, or give the app an IPv4 (`appkata-mqtt:ipv4: true`)";
        return { kind: "unroutable", detail };
    }
    if (code === "ERR_TLS_CERT_ALTNAME_INVALID") {
        return { kind: "distrusted", reason: "other name", detail: error.message };
    }
    if (UNKNOWN_CA.has(code)) {
        const detail = `a certificate that the CA did not sign (${code})`;
        return { kind: "distrusted", reason: "unknown CA", detail };
    }
    if (code === "CERT_HAS_EXPIRED" || code === "CERT_NOT_YET_VALID") {
        const detail = code === "CERT_HAS_EXPIRED" ? "has expired" : "is not valid yet";
        return {
            kind: "distrusted",
            reason: "not valid now",
            detail: `a certificate that ${detail}`,
        };
    }
    if (CERTIFICATE_CODE.test(code)) {
        return { kind: "distrusted", reason: "other", detail: `${error.message} (${code})` };
    }
    return { kind: "failed", detail: describe(error) };
}

const KNOWN = new Map([
    ["ECONNREFUSED", "nothing listens there"],
    ["ECONNRESET", "the connection was reset"],
    ["ENOTFOUND", "the name does not resolve"],
    ["ERR_SSL_WRONG_VERSION_NUMBER", "an answer that is not TLS"],
]);

/** Describes a connection's error in a few words, without the address, which the step's line has. */
export function describe(error: NodeJS.ErrnoException): string {
    const known = KNOWN.get(error.code ?? "");
    if (known !== undefined) return `${known} (${error.code})`;
    return error.code ? `${error.message} (${error.code})` : error.message;
}
