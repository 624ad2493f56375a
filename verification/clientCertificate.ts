import { connect } from "node:tls";
import { describe, nameOf } from "./handshake.ts";
import type { Certificates, Target } from "./target.ts";

/** In PEM, as Node takes them. */
export interface KeyPair {
    cert: string;
    key: string;
}

export function pairOf({ certificatePem, privateKeyPem }: Certificates["own"]): KeyPair {
    return { cert: certificatePem, key: privateKeyPem };
}

/** What a TLS server made of a client's certificate, or of there being none. */
export type Presented =
    { kind: "refused"; detail: string } | { kind: "taken" } | { kind: "failed"; detail: string };

/**
 * Opens a TLS connection with a certificate or without one and says nothing more. With TLS 1.3 the
 * client is done before the server has looked at its certificate, so the answer is waited for. Only
 * TLS's own alert counts as `refused`; nothing sent, nothing is in its way.
 */
export function present(
    target: Target,
    port: number,
    pair: KeyPair | undefined,
    timeoutMs: number,
): Promise<Presented> {
    return new Promise((resolve) => {
        let secured = false;
        const socket = connect({
            host: target.address,
            port,
            ...nameOf(target),
            ca: target.caPem,
            ...pair,
        });
        const end = (outcome: Presented) => {
            clearTimeout(timer);
            socket.destroy();
            resolve(outcome);
        };
        const timer = setTimeout(() => {
            if (secured) end({ kind: "taken" });
            else end({ kind: "failed", detail: `no TLS within ${timeoutMs / 1000} s` });
        }, timeoutMs);
        socket.once("secureConnect", () => (secured = true));
        socket.on("error", (error: NodeJS.ErrnoException) => {
            const alert = /^ERR_SSL_.*ALERT_(.*)$/.exec(error.code ?? "")?.[1];
            if (alert === undefined) return end({ kind: "failed", detail: describe(error) });
            end({ kind: "refused", detail: alert.toLowerCase().replaceAll("_", " ") });
        });
        socket.resume();
        socket.once("close", () =>
            end({ kind: "failed", detail: "the connection closed without an alert" }),
        );
    });
}
