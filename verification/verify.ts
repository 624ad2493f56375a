import { randomBytes, X509Certificate } from "node:crypto";
import { rootCertificates } from "node:tls";
import type { MqttClient } from "mqtt";
import { triesTheRest } from "./grants.ts";
import { present, type KeyPair } from "./clientCertificate.ts";
import { handshake, trustOf } from "./handshake.ts";
import type { Handshake } from "./handshake.ts";
import { logIn } from "./login.ts";
import type { Credentials } from "./login.ts";
import { speakPlain } from "./plain.ts";
import { roundTrip } from "./roundTrip.ts";
import type { Certificates, Target } from "./target.ts";
import { webSocketTrip } from "./webSockets.ts";

export type StepName =
    | "WebSocket"
    | "WebSocket without password"
    | "tls"
    | "round trip"
    | "login"
    | "grants"
    | "no password"
    | "wrong password"
    | "certificate"
    | "no certificate"
    | "foreign certificate"
    | "no TLS"
    | "other CA";

/** One thing that was tried on the broker. */
export interface Step {
    name: StepName;
    ok: boolean;
    /** Duration in milliseconds. */
    ms: number;
    /** What was done, or, of a failed step, what was expected and what was seen. */
    text: string;
}

export interface VerifyOptions {
    /** Takes each step as it ends. */
    onStep?: (step: Step) => void;
    /** Takes a line every five seconds while the first step waits for an answer. */
    onWait?: (line: string) => void;
    /** How long one step may take, in milliseconds. */
    stepTimeoutMs?: number;
}

/** Says that a step met something else than it must. */
class Unexpected extends Error {
    constructor(expected: string, seen: string) {
        super(`expected ${expected}, saw: ${seen}`);
    }
}

const RETRY_MS = 250;
const PROGRESS_MS = 5000;

/**
 * Uses a broker as its clients will, and tries what must not work. Leaves nothing behind: sessions
 * end with their connections, nothing is retained. No password is sent but over TLS to the server
 * that our CA vouches for, and none is in a result.
 *
 * The first step waits for the address to begin to answer, unless this machine has no route to it; if
 * it fails the rest is not tried. The others are tried once each, and a failed one does not hide the next.
 *
 * @returns the steps in their order; all is well when each is `ok`
 */
export async function verify(target: Target, options: VerifyOptions = {}): Promise<Step[]> {
    const steps: Step[] = [];
    const timeout = options.stepTimeoutMs ?? 10_000;
    const attempt = async (name: StepName, todo: () => Promise<string>) => {
        const started = performance.now();
        const tried = await todo().then(
            (text) => ({ ok: true, text }),
            (error: Error) => ({ ok: false, text: error.message }),
        );
        const step = { name, ms: Math.round(performance.now() - started), ...tried };
        steps.push(step);
        options.onStep?.(step);
        return step.ok;
    };
    const { verifier, certificates } = target;
    const user = verifier.username;

    if (!(await attempt("tls", () => answersWithOurCertificate(target, timeout, options)))) {
        return steps;
    }
    const byPassword = certificates?.port !== target.port;
    if (byPassword) {
        const messagesCome = await attempt("round trip", () =>
            sendsToItself(target, verifier, timeout),
        );
        for (const [username, password] of Object.entries(target.users)) {
            await attempt("login", () => isLetIn(target, { username, password }, timeout));
        }
        // Where no message comes at all, that none comes says nothing.
        if (messagesCome) {
            await attempt("grants", () => isHeldToGrants(target, verifier, timeout));
        }
        await attempt("no password", async () => {
            const nobody = await isRefused(target, {}, "without user and password", timeout);
            const as = { username: user };
            await isRefused(target, as, `as ${user} without a password`, timeout);
            return `${nobody}, and as ${user} without a password`;
        });
        await attempt("wrong password", () => {
            const wrong = randomBytes(16).toString("hex");
            const as = { username: user, password: wrong };
            return isRefused(target, as, `as ${user} with a wrong password`, timeout);
        });
    }
    if (certificates) {
        const own = pairOf(certificates.own);
        const at = { ...target, port: certificates.port };
        const [none, foreign] = [undefined, pairOf(certificates.foreign)];
        const messagesCome = await attempt("certificate", () => sendsToItself(at, own, timeout));
        if (messagesCome) await attempt("grants", () => isHeldToGrants(at, own, timeout));
        await attempt("no certificate", () => isNotTaken(at, none, "no certificate", timeout));
        await attempt("foreign certificate", () =>
            isNotTaken(at, foreign, "a certificate by another CA", timeout),
        );
    }
    await attempt("no TLS", () => refusesPlain(target, timeout));
    await attempt("other CA", () =>
        target.tls === "edge" ? isNotOurs(target, timeout) : isDistrusted(target, timeout),
    );
    if (target.webSockets) {
        const over = `over WebSockets on port ${target.webSockets.port}`;
        await attempt("WebSocket", () => sendsOverWebSockets(target, timeout));
        await attempt("WebSocket without password", () =>
            isRefused(target, {}, `${over} without user and password`, timeout, "webSockets"),
        );
    }
    return steps;
}

async function answersWithOurCertificate(
    target: Target,
    timeout: number,
    options: VerifyOptions,
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
            options.onWait?.(`waiting for ${where} for ${since} s: ${seen.detail}`);
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
    if (authorities.length > 1) await answersForEach(target, authorities, timeout);
    const until = seen.validUntil.toISOString().slice(0, 10);
    const ours = authorities.length > 1 ? `each of our ${authorities.length} CAs` : "our CA";
    const by = target.tls === "edge" ? "a public CA" : ours;
    return (
        `${seen.protocol} to ${target.address} port ${target.port}; ` +
        `the certificate is for ${target.hostname}, by ${by}, until ${until}`
    );
}

/** While one CA takes over from another, a client that has only one of them gets in. */
async function answersForEach(target: Target, authorities: string[], timeout: number) {
    for (const pem of authorities) {
        const seen = await handshake(target, [pem], timeout);
        if (seen.kind === "trusted") continue;
        const name = new X509Certificate(pem).subject.replaceAll("\n", ", ");
        throw new Unexpected(`a client that trusts only ${name} to trust the server`, seen.detail);
    }
}

/** The certificates of a bundle. */
function certificatesIn(pem: string): string[] {
    return pem.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
}

async function sendsToItself(target: Target, as: Credentials, timeout: number): Promise<string> {
    const client = await letIn(target, as, timeout);
    const trip = await roundTrip(client, timeout);
    await client.endAsync(trip.kind === "lost");
    if (trip.kind === "lost") throw new Unexpected("the published message back", trip.detail);
    return `${target.verifier.username} subscribed, published at QoS 1 and got the message back`;
}

async function isHeldToGrants(target: Target, as: Credentials, timeout: number): Promise<string> {
    const { username } = target.verifier;
    const client = await letIn(target, as, timeout);
    const proof = await triesTheRest(client, timeout);
    await client.endAsync(proof.kind === "broken");
    if (proof.kind === "broken") {
        throw new Unexpected(`nothing that ${username} is not granted`, proof.detail);
    }
    return `${username} could not read, write or see $SYS where it is not granted`;
}

async function isLetIn(target: Target, as: Credentials, timeout: number): Promise<string> {
    await (await letIn(target, as, timeout)).endAsync();
    return `${as.username} logged in`;
}

async function letIn(target: Target, as: Credentials, timeout: number): Promise<MqttClient> {
    const login = await logIn(target, as, timeout);
    if (login.kind === "accepted") return login.client;
    const name = as.username ?? target.verifier.username;
    throw new Unexpected(`${name} to be let in`, `${login.kind}: ${login.detail}`);
}

async function isRefused(
    target: Target,
    as: Credentials,
    how: string,
    timeout: number,
    over?: "webSockets",
): Promise<string> {
    const login = await logIn(target, as, timeout, over);
    if (login.kind === "refused") return `refused ${how} (${login.detail})`;
    if (login.kind === "accepted") login.client.end(true);
    const seen = login.kind === "accepted" ? "accepted" : login.detail;
    throw new Unexpected(`CONNACK "not authorized" ${how}`, seen);
}

function pairOf({ certificatePem, privateKeyPem }: Certificates["own"]): KeyPair {
    return { cert: certificatePem, key: privateKeyPem };
}

async function isNotTaken(
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

async function refusesPlain(target: Target, timeout: number): Promise<string> {
    const answer = await speakPlain(target, timeout);
    if (answer.kind === "refused") return "refused MQTT without TLS";
    throw new Unexpected("MQTT without TLS to be hung up on", answer.detail);
}

async function sendsOverWebSockets(target: Target, timeout: number): Promise<string> {
    const { username, password } = target.verifier;
    const trip = await webSocketTrip(target, username, password, timeout);
    const { port } = target.webSockets!;
    if (trip.kind === "failed") {
        throw new Unexpected(`the published message back over wss on port ${port}`, trip.detail);
    }
    return `${username} got a message back over wss on port ${port}`;
}

/** Where Fly ends TLS our CA has signed nothing that a client sees. */
async function isNotOurs(target: Target, timeout: number): Promise<string> {
    const seen = await handshake(target, [target.caPem], timeout);
    if (seen.kind === "distrusted" && seen.reason === "unknown CA") {
        return "a client that trusts our CA alone refuses Fly's certificate";
    }
    throw new Unexpected(
        "a client that trusts our CA alone to refuse Fly's certificate",
        seen.kind === "trusted" ? "it trusts the server" : seen.detail,
    );
}

/** Any CA but ours does; the world's public ones are what clients bring along. */
async function isDistrusted(target: Target, timeout: number): Promise<string> {
    const seen = await handshake(target, [...rootCertificates], timeout);
    if (seen.kind === "distrusted" && seen.reason === "unknown CA") {
        return "a client that does not trust our CA refuses the server";
    }
    throw new Unexpected(
        "a client that does not trust our CA to refuse the server",
        seen.kind === "trusted" ? "it trusts the server" : seen.detail,
    );
}
