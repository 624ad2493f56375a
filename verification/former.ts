/**
 * Steps of those who must stay out: removed users and devices, and former passwords. A machine that has
 * fallen back to earlier files lets them in.
 */
import { pairOf, present } from "./clientCertificate.ts";
import { logIn } from "./login.ts";
import type { Certificates, Login, Target } from "./target.ts";
import { Unexpected } from "./unexpected.ts";

/** How many connections are tried at once. */
const AT_ONCE = 10;

export async function inBatches<T>(
    all: readonly T[],
    todo: (one: T) => Promise<unknown>,
): Promise<void> {
    for (let at = 0; at < all.length; at += AT_ONCE) {
        await Promise.all(all.slice(at, at + AT_ONCE).map(todo));
    }
}

/** A login that succeeds ends at once; with `clientIds: user` it disconnects that user's client. */
export async function passwordsStayOut(
    target: Target,
    former: readonly Login[],
    timeout: number,
): Promise<string> {
    const seen = new Seen();
    await inBatches(former, async ({ user: username, password }) => {
        const login = await logIn(target, { username, password }, timeout);
        if (login.kind === "accepted") {
            login.client.end(true);
            seen.in(username);
        } else if (login.kind === "failed") seen.failed(username, login.detail);
    });
    seen.check('CONNACK "not authorized" to each password that no longer holds');
    return `refused ${former.length} that no longer hold`;
}

export async function devicesStayOut(
    target: Target,
    former: Certificates["former"],
    timeout: number,
): Promise<string> {
    const seen = new Seen();
    await inBatches(former, async (device) => {
        const shown = await present(target, target.port, pairOf(device), timeout);
        if (shown.kind === "taken") seen.in(device.name);
        else if (shown.kind === "failed") seen.failed(device.name, shown.detail);
    });
    seen.check("a TLS alert over each revoked certificate");
    return `refused ${former.length} of removed devices`;
}

/** Who got in, and whose refusal was none. */
class Seen {
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
                `${[...this.#gotIn].toSorted().join(", ")} got in. The machine has earlier files than the last ` +
                    "`pulumi up` gave it; `pulumi up --refresh` gives them again",
            );
        }
        if (this.#failed.length > 0) throw new Unexpected(expected, this.#failed.join("; "));
    }
}
