/**
 * Checks of TLS and of which certificates are trusted. Each returns what was done, or throws what it
 * saw instead.
 */
import { X509Certificate } from "node:crypto";
import { rootCertificates } from "node:tls";
import { certificatesIn } from "../lib/pem.ts";
import { present, type KeyPair } from "./clientCertificate.ts";
import { handshake, trustOf } from "./handshake.ts";
import type { Handshake } from "./handshake.ts";
import { speakPlain } from "./plain.ts";
import type { Endpoint, Target } from "./target.ts";
import { Unexpected } from "./unexpected.ts";

const RETRY_MS = 250;
const PROGRESS_MS = 5000;

export async function checkServerCertificate(
    target: Endpoint,
    timeout: number,
    onWait?: (line: string) => void,
): Promise<string> {
    const started = Date.now();
    const deadline = started + target.deadlineSeconds * 1000;
    let told = started;
    let seen: Handshake;
    for (;;) {
        const left = Math.max(deadline - Date.now(), 1);
        const { ca } = trustOf(target.tls, target);
        seen = await handshake(target, ca === undefined ? ca : [ca], Math.min(timeout, left));
        if (seen.kind !== "failed" || Date.now() + RETRY_MS >= deadline) break;
        if (Date.now() - told >= PROGRESS_MS) {
            told = Date.now();
            const since = Math.round((told - started) / 1000);
            const where = `${target.address} port ${target.port}`;
            onWait?.(`waiting for ${where} for ${since} s: ${seen.detail}`);
        }
        await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
    }
    if (seen.kind === "unroutable") throw new Error(seen.detail);
    if (seen.kind !== "trusted") {
        const whose = target.tls === "edge" ? "a public CA" : "our CA";
        const expected = `a certificate for ${target.hostname}, signed by ${whose} and valid`;
        throw new Unexpected(`TLS with ${expected}`, seen.detail);
    }
    const authorities = target.tls === "edge" ? [] : certificatesIn(target.caPem);
    if (authorities.length > 1) await checkEachAuthority(target, authorities, timeout);
    const until = seen.validUntil.toISOString().slice(0, 10);
    const ours = authorities.length > 1 ? `each of our ${authorities.length} CAs` : "our CA";
    const by = target.tls === "edge" ? "a public CA" : ours;
    return (
        `${seen.protocol} to ${target.address} port ${target.port}; ` +
        `the certificate is for ${target.hostname}, by ${by}, until ${until}`
    );
}

/** Checks that a client with only one of several CAs gets in, as during a CA rotation. */
async function checkEachAuthority(target: Endpoint, authorities: string[], timeout: number) {
    for (const pem of authorities) {
        const seen = await handshake(target, [pem], timeout);
        if (seen.kind === "trusted") continue;
        const name = new X509Certificate(pem).subject.replaceAll("\n", ", ");
        throw new Unexpected(`a client that trusts only ${name} to trust the server`, seen.detail);
    }
}

/** Checks that our CA is not in use where Fly ends TLS. */
export async function checkOurCaUnused(target: Target, timeout: number): Promise<string> {
    const seen = await handshake(target, [target.caPem], timeout);
    if (seen.kind === "distrusted" && seen.reason === "unknown CA") {
        return "a client that trusts our CA alone refuses Fly's certificate";
    }
    throw new Unexpected(
        "a client that trusts our CA alone to refuse Fly's certificate",
        seen.kind === "trusted" ? "it trusts the server" : seen.detail,
    );
}

/** Checks that a client without our CA refuses the server, using the public CAs that clients come with. */
export async function checkOtherCaDistrusted(target: Target, timeout: number): Promise<string> {
    const seen = await handshake(target, [...rootCertificates], timeout);
    if (seen.kind === "distrusted" && seen.reason === "unknown CA") {
        return "a client that does not trust our CA refuses the server";
    }
    throw new Unexpected(
        "a client that does not trust our CA to refuse the server",
        seen.kind === "trusted" ? "it trusts the server" : seen.detail,
    );
}

export async function checkCertificateRefused(
    target: Target,
    pair: KeyPair | undefined,
    what: string,
    timeout: number,
): Promise<string> {
    const seen = await present(target, target.port, pair, timeout);
    if (seen.kind === "refused") return `refused ${what} (${seen.detail})`;
    const saw = seen.kind === "taken" ? `no alert within ${timeout / 1000} s` : seen.detail;
    throw new Unexpected(`a TLS alert over ${what}`, saw);
}

export async function checkPlainRefused(target: Target, timeout: number): Promise<string> {
    const answer = await speakPlain(target, timeout);
    if (answer.kind === "refused") return "refused MQTT without TLS";
    throw new Unexpected("the port to refuse MQTT without TLS", answer.detail);
}
