import { randomBytes } from "node:crypto";
import { pairOf } from "./clientCertificate.ts";
import {
    checkGrants,
    checkLogin,
    checkLoginRefused,
    checkWebSockets,
    checkRoundTrip,
} from "./clients.ts";
import { checkFormerDevices, inBatches, checkFormerPasswords } from "./former.ts";
import {
    checkServerCertificate,
    checkOtherCaDistrusted,
    checkOurCaUnused,
    checkCertificateRefused,
    checkPlainRefused,
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

/** One check of the broker. */
export interface Step {
    name: StepName;
    ok: boolean;
    /** Duration in milliseconds. */
    ms: number;
    /** Says what the step did or, if it failed, what it expected and what it saw. */
    text: string;
}

export interface VerifyOptions {
    /** Called with each step when it ends. */
    onStep?: (step: Step) => void;
    /** Called every five seconds with a line while the first step waits for an answer. */
    onWait?: (line: string) => void;
    /** Time limit of one step, in milliseconds. */
    stepTimeoutMs?: number;
}

/**
 * Uses a broker as its clients will, and tries what must fail. Leaves nothing behind: sessions end with
 * their connections and nothing is retained. Passwords are sent only over TLS to a server that our CA
 * vouches for, and never appear in a result.
 *
 * The first step waits for the address to answer, unless this machine has no route to it; if it fails,
 * the rest is skipped. The other steps run once each, whether or not an earlier one failed.
 *
 * @returns the steps in order; the broker passes if each is `ok`
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

    if (!(await attempt("tls", () => checkServerCertificate(target, timeout, options.onWait)))) {
        return steps;
    }
    const byPassword = certificates?.port !== target.port;
    if (byPassword) {
        const messagesCome = await attempt("round trip", () =>
            checkRoundTrip(target, verifier, timeout),
        );
        const { users, userCount } = logins;
        const sample =
            users.length < userCount ? ` (${users.length} of ${userCount} users were tried)` : "";
        await inBatches(users, ({ user: username, password }) =>
            attempt("login", async () => {
                return `${await checkLogin(target, { username, password }, timeout)}${sample}`;
            }),
        );
        // Without a working round trip, receiving nothing proves nothing.
        if (messagesCome) {
            await attempt("grants", () => checkGrants(target, verifier, timeout));
        }
        await attempt("no password", async () => {
            const nobody = await checkLoginRefused(
                target,
                {},
                "without user and password",
                timeout,
            );
            const as = { username: user };
            await checkLoginRefused(target, as, `as ${user} without a password`, timeout);
            return `${nobody}, and as ${user} without a password`;
        });
        await attempt("wrong password", () => {
            const wrong = randomBytes(16).toString("hex");
            const as = { username: user, password: wrong };
            return checkLoginRefused(target, as, `as ${user} with a wrong password`, timeout);
        });
        if (logins.former.length > 0) {
            await attempt("former passwords", () =>
                checkFormerPasswords(target, logins.former, timeout),
            );
        }
    }
    if (certificates) {
        const own = pairOf(certificates.own);
        const at = { ...target, port: certificates.port };
        const [none, foreign] = [undefined, pairOf(certificates.foreign)];
        const messagesCome = await attempt("certificate", () => checkRoundTrip(at, own, timeout));
        if (messagesCome) await attempt("grants", () => checkGrants(at, own, timeout));
        await attempt("no certificate", () =>
            checkCertificateRefused(at, none, "no certificate", timeout),
        );
        await attempt("foreign certificate", () =>
            checkCertificateRefused(at, foreign, "a certificate by another CA", timeout),
        );
        if (certificates.former.length > 0) {
            await attempt("former certificates", () =>
                checkFormerDevices(at, certificates.former, timeout),
            );
        }
    }
    await attempt("no TLS", () => checkPlainRefused(target, timeout));
    await attempt("other CA", () =>
        target.tls === "edge"
            ? checkOurCaUnused(target, timeout)
            : checkOtherCaDistrusted(target, timeout),
    );
    if (target.webSockets) {
        const over = `over WebSockets on port ${target.webSockets.port}`;
        await attempt("WebSocket", () => checkWebSockets(target, timeout));
        await attempt("WebSocket without password", () =>
            checkLoginRefused(
                target,
                {},
                `${over} without user and password`,
                timeout,
                "webSockets",
            ),
        );
    }
    return steps;
}
