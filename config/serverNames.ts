/** Checks the names and addresses in the server certificate (`hostnames`). */
import { isIP } from "node:net";
import { domainToASCII } from "node:url";
import { hostnameProblem } from "../providers/fly/rules.ts";

const LABEL = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/i;
const MAX_BYTES = 253;

/** @returns what is wrong with an entry and what to write instead */
export function serverNameProblem(name: string): string | undefined {
    if (isIP(name) > 0) return addressProblem(name);
    if (/[:/@]/.test(name)) {
        return "must be a host name or an IP address alone, without scheme, user, port or path";
    }
    if (name.endsWith(".")) return `must not end with a dot; write ${name.slice(0, -1)}`;
    if (name.length > MAX_BYTES)
        return `has ${name.length} characters; a host name may have ${MAX_BYTES}`;
    const labels = name.replace(/^\*\./, "").split(".");
    if (!labels.every((label) => LABEL.test(label))) {
        const ascii = domainToASCII(name);
        const instead = /[^\0-\x7f]/.test(name) && ascii !== "" ? `; write ${ascii}` : "";
        return `must be a host name, as mqtt.example.com, or an IP address${instead}`;
    }
    return /^\d+$/.test(labels.at(-1)!)
        ? "is neither a host name, whose last part has a letter, nor an IP address"
        : undefined;
}

/** @returns why Fly cannot issue a certificate for an entry */
export function edgeNameProblem(name: string): string | undefined {
    return isIP(name) > 0
        ? `"${name}" is an IP address, for which Fly issues no certificate; use a host name`
        : hostnameProblem(name);
}

/** Normalises an entry, so that duplicates are found. */
export function canonicalServerName(name: string): string {
    return isIP(name) === 6 ? canonicalIpv6(name) : name.toLowerCase();
}

/** An IPv6 address as Fly and certificates write it. */
export function canonicalIpv6(address: string): string {
    const [plain] = address.split("%");
    return new URL(`http://[${plain}]/`).hostname.slice(1, -1);
}

function addressProblem(address: string): string | undefined {
    if (address.includes("%")) {
        return `has a zone, which a certificate cannot hold; write ${address.replace(/%.*/, "")}`;
    }
    const mapped = isIP(address) === 6 && /^::ffff:(\w+):(\w+)$/.exec(canonicalIpv6(address));
    if (!mapped) return undefined;
    const bytes = mapped.slice(1).flatMap((part) => {
        const number = parseInt(part, 16);
        return [number >> 8, number & 255];
    });
    return `is an IPv4 address in IPv6 notation, which clients do not match; write ${bytes.join(".")}`;
}
