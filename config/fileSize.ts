/**
 * Estimates the size of the broker's files from the settings, before any file is made. The files travel in
 * app secrets, and a machine does not start with more than MAX_VALUE_BYTES in one of them.
 */
import { gzipSync } from "node:zlib";
import { aclFile } from "../broker/acl.ts";
import { MAX_VALUE_BYTES } from "../providers/fly/secrets/bundle.ts";
import { VERIFIER_ACCESS } from "../verification/verifier.ts";
import type { Deployed } from "./deployed.ts";
import type { Settings } from "./settings.ts";

/** Secrets for stacks whose files do not fit one. No steps in between: each step restarts the machine. */
const MANY = 16;

/** Compressed bytes. Salt and hash have 76 random bytes; a revoked certificate has two lines and a list entry. */
const USER_BYTES = 92;
const REVOKED_BYTES = 100;
/** Key, chain and CAs with names of usual length, and the verification's user. */
const FIXED_BYTES = 8_000;

type Sized = Pick<Settings, "users" | "everyone" | "hostnames">;

/** Number of secrets that carry the files. */
export function fileSecrets(settings: Sized, deployed: Deployed): number {
    return bytesAtMost(settings, revokedNames(settings, deployed)) <= MAX_VALUE_BYTES ? 1 : MANY;
}

/** @returns why no machine could start with files of this size; undefined where one can */
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
        `machine's environment, which has room for ${most}; with grants like these there is room for ` +
        `${fitting} users: use fewer, or move grants that all users share to \`everyone\``
    );
}

/** Upper bound of the files' size as secrets: it assumes that names do not compress. */
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
        // Host names are in the certificate, in base64.
        sum(hostnames, (name) => 2 * Buffer.byteLength(name));
    return Math.ceil((bytes * 4) / 3);
}

function sum<T>(all: readonly T[], bytesOf: (one: T) => number): number {
    return all.reduce((bytes, one) => bytes + bytesOf(one), 0);
}

/** Users whose certificates are revoked, or will be by this `up`. */
function revokedNames({ users }: Sized, { revoked, clients }: Deployed): string[] {
    const devices = new Set(users.flatMap((user) => (user.certificate ? [user.name] : [])));
    return [...revoked, ...[...clients.keys()].filter((name) => !devices.has(name))];
}
