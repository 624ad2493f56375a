/**
 * How large the broker's files get, told from the settings before any of them is made: they come by the app's
 * secrets, and a machine starts with no more of them than MAX_VALUE_BYTES in each.
 */
import { gzipSync } from "node:zlib";
import { aclFile } from "../broker/acl.ts";
import { MAX_VALUE_BYTES } from "../providers/fly/secrets/bundle.ts";
import { VERIFIER_ACCESS } from "../verification/verifier.ts";
import type { Deployed } from "./deployed.ts";
import type { Settings } from "./settings.ts";

/** One secret for most stacks; so many where it is not enough. Few steps: each restarts the machine. */
const MANY = 16;

/** Compressed. Salt and hash have 76 random bytes; a revoked certificate has two lines and its own entry. */
const USER_BYTES = 92;
const REVOKED_BYTES = 100;
/** Key, chain and CAs with names of the usual length; and the verification's user. */
const FIXED_BYTES = 8_000;

type Sized = Pick<Settings, "users" | "everyone" | "hostnames">;

/** In how many secrets the files come. */
export function fileSecrets(settings: Sized, deployed: Deployed): number {
    return bytesAtMost(settings, revokedNames(settings, deployed)) <= MAX_VALUE_BYTES ? 1 : MANY;
}

/** @returns why no machine could start with the files; undefined where one can */
export function fileSizeProblem(settings: Sized, deployed: Deployed): string | undefined {
    const { users } = settings;
    const revoked = revokedNames(settings, deployed);
    const bytes = bytesAtMost(settings, revoked);
    const most = MANY * MAX_VALUE_BYTES;
    if (bytes <= most) return undefined;
    const fixed = bytesAtMost({ ...settings, users: [] }, revoked);
    const eachOf = (bytes - fixed) / users.length;
    const fitting = Math.max(0, Math.floor((most - fixed) / eachOf));
    return (
        `users: ${users.length} users and ${revoked.length} revoked certificates may take ${bytes} bytes of the ` +
        `machine's environment, with which it can start up to ${most}; with grants like these it may have ` +
        `${fitting} users: use fewer, or grant what all have by \`everyone\``
    );
}

/** Never below what the files come to as secrets; above it, since nobody's names are as random as allowed for. */
export function bytesAtMost(
    { users, everyone, hostnames }: Sized,
    revoked: readonly string[],
): number {
    const names = new Set(users.map(({ name }) => name));
    const removed = revoked.filter((name) => !names.has(name));
    const acl = aclFile({ users, everyone, internal: [VERIFIER_ACCESS], removed });
    const bytes =
        FIXED_BYTES +
        gzipSync(acl).length * 1.1 +
        sum(users, ({ name }) => USER_BYTES + Buffer.byteLength(name)) +
        sum(revoked, (name) => REVOKED_BYTES + Buffer.byteLength(name)) +
        // In the certificate, in base64.
        sum(hostnames, (name) => 2 * Buffer.byteLength(name));
    return Math.ceil((bytes * 4) / 3);
}

function sum<T>(all: readonly T[], bytesOf: (one: T) => number): number {
    return all.reduce((bytes, one) => bytes + bytesOf(one), 0);
}

/** Whose certificates are on a list, or come onto it with this `up`. */
function revokedNames({ users }: Sized, { revoked, clients }: Deployed): string[] {
    const devices = new Set(users.flatMap((user) => (user.certificate ? [user.name] : [])));
    return [...revoked, ...[...clients.keys()].filter((name) => !devices.has(name))];
}
