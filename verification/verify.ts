import { randomBytes } from "node:crypto";
import { pairOf } from "./clientCertificate.ts";
import {
    isHeldToGrants,
    isLetIn,
    isRefused,
    sendsOverWebSockets,
    sendsToItself,
} from "./clients.ts";
import { devicesStayOut, inBatches, passwordsStayOut } from "./former.ts";
import {
    answersWithOurCertificate,
    isDistrusted,
    isNotOurs,
    isNotTaken,
    refusesPlain,
} from "./trust.ts";
import type { Target } from "./target.ts";

export type StepName =
    | "WebSocket"
    | "WebSocket without password"
    | "tls"
    | "round trip"
    | "login"
    | "grants"
    | "no password"
    | "wrong password"
    | "former passwords"
    | "certificate"
    | "no certificate"
    | "foreign certificate"
    | "former certificates"
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
    const { verifier, logins } = target;
    const { certificates } = logins;
    const user = verifier.username;

    if (!(await attempt("tls", () => answersWithOurCertificate(target, timeout, options.onWait)))) {
        return steps;
    }
    const byPassword = certificates?.port !== target.port;
    if (byPassword) {
        const messagesCome = await attempt("round trip", () =>
            sendsToItself(target, verifier, timeout),
        );
        const { users, userCount } = logins;
        const sample =
            users.length < userCount ? ` (${users.length} of ${userCount} users are tried)` : "";
        await inBatches(users, ({ user: username, password }) =>
            attempt("login", async () => {
                return `${await isLetIn(target, { username, password }, timeout)}${sample}`;
            }),
        );
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
        if (logins.former.length > 0) {
            await attempt("former passwords", () =>
                passwordsStayOut(target, logins.former, timeout),
            );
        }
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
        if (certificates.former.length > 0) {
            await attempt("former certificates", () =>
                devicesStayOut(at, certificates.former, timeout),
            );
        }
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
