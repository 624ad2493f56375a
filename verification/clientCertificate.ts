import { connect } from "node:tls";
import { describe, nameOf } from "./handshake.ts";
import type { Certificates, Target } from "./target.ts";

/** A certificate and its key in PEM, named as Node's TLS options are. */
export interface KeyPair {
    cert: string;
    key: string;
}

export function pairOf({ certificatePem, privateKeyPem }: Certificates["own"]): KeyPair {
    return { cert: certificatePem, key: privateKeyPem };
}

/** How a TLS server answered a client's certificate, or the absence of one. */
export type Presented =
    { kind: "refused"; detail: string } | { kind: "taken" } | { kind: "failed"; detail: string };

/**
 * Opens a TLS connection with or without a certificate and sends nothing. In TLS 1.3 the client
 * finishes before the server has checked its certificate, so this waits for the answer. Only TLS's own
 * alert counts as `refused`; as the client sends nothing, no other error can mask it.
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
