/** Checks that a change of CAs (`caTrusted`, `caIssuer`) locks no client out. */
import type { Deployed } from "./deployed.ts";

export interface Authorities {
    /** Generations that clients trust. */
    trusted: number[];
    /** Generation that signs. */
    issuer: number;
}

type Before = Pick<Deployed, "authorities" | "issuer" | "published" | "clientIssuers">;

/** Most device names in one message. */
const MAX_NAMES = 5;

/**
 * Compares the settings with the deployed CAs: those in the stack's outputs, and those that signed the
 * server and client certificates. After an interrupted `up` these differ. A first `up` accepts any CAs.
 *
 * @param devices users that the new settings let log in with a certificate
 * @returns why this step would lock clients out, and the steps that would not
 */
export function authoritiesProblem(
    deployed: Before,
    { trusted, issuer }: Authorities,
    devices: string[],
): string | undefined {
    const before = [...deployed.authorities.keys()].toSorted((one, other) => one - other);
    if (before.length === 0) return undefined;
    const it = `it is ${JSON.stringify(trusted)}`;
    const published = before.filter((generation) => deployed.published.has(generation));
    const known = published.length > 0 ? published : before;
    const kept = trusted.filter((generation) => known.includes(generation));
    const added = trusted.filter((generation) => !before.includes(generation));
    const reused = added.find((generation) => generation < before.at(-1)!);
    if (reused !== undefined) {
        return (
            `caTrusted: CA ${reused} would be new, but its number is below an existing one ` +
            `(${before.join(", ")}), and clients may still have an older CA of that number; use ` +
            `${before.at(-1)! + 1}; ${it}`
        );
    }
    if (kept.length === 0) {
        const [old, next] = [known.at(-1)!, trusted[0]!];
        return (
            `caTrusted: drops every CA that clients trust now (${known.join(", ")}), which would lock ` +
            `all of them out at once; trust [${old}, ${next}] first, and [${next}] alone in a ` +
            `later \`up\`, when the clients have both; ${it}`
        );
    }
    // Prefer a CA that clients already have over a new one.
    const next = kept.includes(issuer) ? issuer : kept[0]!;
    const first = (old: number) => {
        const both = [old, next].toSorted((one, other) => one - other);
        return `first caTrusted: [${both.join(", ")}] with caIssuer: ${next} and an \`up\``;
    };
    const signs = deployed.issuer;
    if (signs !== undefined && !trusted.includes(signs)) {
        return (
            `caTrusted: CA ${signs} signed the current certificates, and dropping it would invalidate all of ` +
            `them at once, clients' included; ${first(signs)}, and drop CA ${signs} in a later one; ${it}`
        );
    }
    for (const old of before.filter((generation) => !trusted.includes(generation))) {
        const left = devices.filter((name) => deployed.clientIssuers.get(name)?.has(old));
        if (left.length === 0) continue;
        return (
            `caTrusted: CA ${old} signed the certificates of ${firstNames(left)}, and dropping it would lock ` +
            `them out at once: the \`up\` that was to renew them did not finish; ${first(old)} that ` +
            "does, give them the new certificates (output clientCertificates), then drop " +
            `CA ${old}; ${it}`
        );
    }
    return undefined;
}

function firstNames(devices: string[]): string {
    const more = devices.length - MAX_NAMES;
    return devices.slice(0, MAX_NAMES).join(", ") + (more > 0 ? ` and ${more} more` : "");
}
