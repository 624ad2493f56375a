/** Which steps from the CAs that a stack has to those of its settings shut no client out. */
import type { Deployed } from "./deployed.ts";

export interface Authorities {
    /** Generations that clients trust. */
    trusted: number[];
    /** The one that signs. */
    issuer: number;
}

type Before = Pick<Deployed, "authorities" | "issuer" | "told" | "clientIssuers">;

/** How many devices are named. */
const NAMED = 5;

/**
 * Goes by what the stack has: the CAs that clients were told of, and those that signed the server
 * certificate and the devices'. After an `up` that was ended half way these are not all the same. A
 * first `up` may take any.
 *
 * @param devices users that log in with a certificate from now on
 * @returns what is wrong with these CAs next, and the way there
 */
export function authoritiesProblem(
    deployed: Before,
    { trusted, issuer }: Authorities,
    devices: string[],
): string | undefined {
    const before = [...deployed.authorities.keys()].toSorted((one, other) => one - other);
    if (before.length === 0) return undefined;
    const it = `it is ${JSON.stringify(trusted)}`;
    const known = before.filter((generation) => deployed.told.has(generation));
    const told = known.length > 0 ? known : before;
    const kept = trusted.filter((generation) => told.includes(generation));
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
        const [old, next] = [told.at(-1)!, trusted[0]!];
        return (
            `caTrusted: no CA that clients trust now (${told.join(", ")}) would be left, so all of ` +
            `them would be shut out at once; trust [${old}, ${next}] first, and [${next}] alone in a ` +
            `later \`up\`, when the clients have both; ${it}`
        );
    }
    // Another that they have already: one that is new comes last.
    const next = kept.includes(issuer) ? issuer : kept[0]!;
    const first = (old: number) => {
        const both = [old, next].toSorted((one, other) => one - other);
        return `first caTrusted: [${both.join(", ")}] with caIssuer: ${next} and an \`up\``;
    };
    const signs = deployed.issuer;
    if (signs !== undefined && !trusted.includes(signs)) {
        return (
            `caTrusted: CA ${signs} signs now, so what it signed would be worth nothing at once, ` +
            `clients' certificates too; ${first(signs)}, and drop CA ${signs} in a later one; ${it}`
        );
    }
    for (const old of before.filter((generation) => !trusted.includes(generation))) {
        const left = devices.filter((name) => deployed.clientIssuers.get(name)?.has(old));
        if (left.length === 0) continue;
        return (
            `caTrusted: CA ${old} signed the certificates of ${named(left)}, who would be shut out at ` +
            `once: the \`up\` that was to give them others did not come to its end; ${first(old)} that ` +
            "does, and when they have what the output clientCertificates has then, drop " +
            `CA ${old}; ${it}`
        );
    }
    return undefined;
}

function named(devices: string[]): string {
    const more = devices.length - NAMED;
    return devices.slice(0, NAMED).join(", ") + (more > 0 ? ` and ${more} more` : "");
}
