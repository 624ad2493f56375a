/** Which steps from the CAs that a stack has to those of its settings shut no client out. */
import type { Deployed } from "./deployed.ts";

export interface Authorities {
    /** Generations that clients trust. */
    trusted: number[];
    /** The one that signs. */
    issuer: number;
}

/**
 * Goes by what the stack has: the trusted CAs and the one that signed the server certificate. A first
 * `up` may take any.
 *
 * @returns what is wrong with these CAs next, and the way there
 */
export function authoritiesProblem(
    deployed: Pick<Deployed, "authorities" | "issuer">,
    { trusted, issuer }: Authorities,
): string | undefined {
    const before = [...deployed.authorities.keys()].toSorted((one, other) => one - other);
    if (before.length === 0) return undefined;
    const it = `it is ${JSON.stringify(trusted)}`;
    const kept = trusted.filter((generation) => before.includes(generation));
    const added = trusted.filter((generation) => !before.includes(generation));
    const reused = added.find((generation) => generation < before.at(-1)!);
    if (reused !== undefined) {
        return (
            `caTrusted: CA ${reused} would be a new one, and its number is below that of one that is ` +
            `there (${before.join(", ")}): clients may have another CA by its name; take ` +
            `${before.at(-1)! + 1}; ${it}`
        );
    }
    if (kept.length === 0) {
        const [old, next] = [before.at(-1)!, trusted[0]!];
        return (
            `caTrusted: no CA that clients trust now (${before.join(", ")}) would be left, so all of ` +
            `them would be shut out at once; trust [${old}, ${next}] first, and [${next}] alone in a ` +
            `later \`up\`, when the clients have both; ${it}`
        );
    }
    const signs = deployed.issuer;
    if (signs !== undefined && !trusted.includes(signs)) {
        // Another that they have already: one that is new comes last.
        const next = kept.includes(issuer) ? issuer : kept[0]!;
        const both = [signs, next].toSorted((one, other) => one - other);
        return (
            `caTrusted: CA ${signs} signs now, so what it signed would be worth nothing at once, ` +
            `clients' certificates too; first caTrusted: [${both.join(", ")}] with caIssuer: ${next} ` +
            `and an \`up\`, and drop CA ${signs} in a later one; ${it}`
        );
    }
    return undefined;
}
