/**
 * Checks that removed users and devices and former passwords are refused. A machine that has fallen
 * back to earlier files lets them in.
 */
import { pairOf, present } from "./clientCertificate.ts";
import { logIn } from "./login.ts";
import type { Certificates, Login, Target } from "./target.ts";
import { Unexpected } from "./unexpected.ts";

/** How many connections to try at once. */
const AT_ONCE = 10;

export async function inBatches<T>(
    all: readonly T[],
    todo: (one: T) => Promise<unknown>,
): Promise<void> {
    for (let at = 0; at < all.length; at += AT_ONCE) {
        await Promise.all(all.slice(at, at + AT_ONCE).map(todo));
    }
}

/** Closes a login that succeeds at once; with `clientIds: user` it has disconnected that user's client. */
export async function checkFormerPasswords(
    target: Target,
    former: readonly Login[],
    timeout: number,
): Promise<string> {
    const outcomes = new Outcomes();
    await inBatches(former, async ({ user: username, password }) => {
        const login = await logIn(target, { username, password }, timeout);
        if (login.kind === "accepted") {
            login.client.end(true);
            outcomes.in(username);
        } else if (login.kind === "failed") outcomes.failed(username, login.detail);
    });
    outcomes.check('CONNACK "not authorized" to each former password');
    return `refused ${former.length} former passwords`;
}

export async function checkFormerDevices(
    target: Target,
    former: Certificates["former"],
    timeout: number,
): Promise<string> {
    const outcomes = new Outcomes();
    await inBatches(former, async (device) => {
        const shown = await present(target, target.port, pairOf(device), timeout);
        if (shown.kind === "taken") outcomes.in(device.name);
        else if (shown.kind === "failed") outcomes.failed(device.name, shown.detail);
    });
    outcomes.check("a TLS alert over each revoked certificate");
    return `refused the certificates of ${former.length} removed devices`;
}

/** Collects who got in, and whose login failed for another reason than a refusal. */
class Outcomes {
    readonly #gotIn = new Set<string>();
    readonly #failed: string[] = [];

    in(name: string): void {
        this.#gotIn.add(name);
    }

    failed(name: string, detail: string): void {
        this.#failed.push(`${name}: ${detail}`);
    }

    check(expected: string): void {
        if (this.#gotIn.size > 0) {
            throw new Unexpected(
                expected,
                `${[...this.#gotIn].toSorted().join(", ")} got in. The machine has older files than the last ` +
                    "`pulumi up` sent; `pulumi up --refresh` sends them again",
            );
        }
        if (this.#failed.length > 0) throw new Unexpected(expected, this.#failed.join("; "));
    }
}
