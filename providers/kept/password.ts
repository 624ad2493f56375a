/** Rules for user names and passwords, and hashes for Mosquitto's password file. */
import { pbkdf2, randomBytes, timingSafeEqual } from "node:crypto";
import { promisify } from "node:util";
import { isUnknown } from "../provider.ts";

const MIN_PASSWORD_LENGTH = 8;
const MAX_USER_BYTES = 65_535;
const MIN_ITERATIONS = 1000;
const MAX_ITERATIONS = 10_000_000;

/** 18 bytes are 24 characters of base64url: 144 bits. */
const GENERATED_BYTES = 18;

/** Matches hashes as Mosquitto's password files have them. */
const HASH = /^\$(6|7|argon2\w*)\$/;

/** The only salt length that Mosquitto 2.0 accepts ("Unable to decode password salt… removing entry"). */
const SALT_BYTES = 12;
const HASH_BYTES = 64;

const deriveKey = promisify(pbkdf2);

/** Generates a password of 24 characters. */
export function generatePassword(): string {
    return randomBytes(GENERATED_BYTES).toString("base64url");
}

/** Hashes with PBKDF2 and HMAC-SHA512, in the format of `mosquitto_passwd -H sha512-pbkdf2`. */
export async function hashPassword(plain: string, iterations: number): Promise<string> {
    const salt = randomBytes(SALT_BYTES);
    const hash = await deriveKey(plain, salt, iterations, HASH_BYTES, "sha512");
    return `$7$${iterations}$${salt.toString("base64")}$${hash.toString("base64")}`;
}

export async function verifyPassword(plain: string, hash: string): Promise<boolean> {
    const [, type, iterations, salt, expected] = hash.split("$");
    if (type !== "7" || !iterations || !salt || !expected) {
        return false;
    }
    const wanted = Buffer.from(expected, "base64");
    const seen = await deriveKey(
        plain,
        Buffer.from(salt, "base64"),
        Number(iterations),
        HASH_BYTES,
        "sha512",
    );
    return wanted.length === seen.length && timingSafeEqual(wanted, seen);
}

/**
 * Checks that Mosquitto's files can hold a user name. Wildcards and `/` are fine there; the checks of grants
 * with `%u` handle them.
 * @returns what is wrong with the name, if anything
 */
export function userNameProblem(user: unknown): string | undefined {
    if (isUnknown(user)) {
        return undefined;
    }
    if (typeof user !== "string" || user === "") {
        return "a user needs a name";
    }
    if (user.includes(":")) {
        return `"${user}" contains :, which ends the name in Mosquitto's password file`;
    }
    // The engine's maps and JSON drop this key on the way to the outputs.
    if (user === "__proto__") {
        return `"${user}" cannot be a key of the output users, so its password would be lost; use another name`;
    }
    if (user.startsWith("#")) {
        return `"${user}" begins with #, so its line in Mosquitto's password file would be a comment`;
    }
    if (/\p{Cc}/u.test(user)) {
        return `${JSON.stringify(user)} contains a control character, which Mosquitto does not allow`;
    }
    if (user.trim() !== user) {
        return `${JSON.stringify(user)} begins or ends with a space, which Mosquitto strips from its files`;
    }
    const bytes = Buffer.byteLength(user);
    return bytes > MAX_USER_BYTES
        ? `the user name has ${bytes} bytes; MQTT allows ${MAX_USER_BYTES}`
        : undefined;
}

/** @returns what is wrong with a given password, without the password itself */
export function passwordProblem(given: unknown): string | undefined {
    if (given === undefined || isUnknown(given)) {
        return undefined;
    }
    if (typeof given !== "string") {
        return "the password is not a string";
    }
    if (given === "") {
        return "the password is empty; leave it out to have one generated";
    }
    if (given.includes("\0")) {
        return "the password contains a NUL, where some clients and tools cut it off";
    }
    // Used literally, it would refuse the password that was hashed.
    if (HASH.test(given)) {
        return "the password is a hash; set the password itself, or leave it out to have one generated";
    }
    return [...given].length < MIN_PASSWORD_LENGTH
        ? `the password has ${[...given].length} characters, fewer than ${MIN_PASSWORD_LENGTH}`
        : undefined;
}

export function iterationsProblem(iterations: unknown): string | undefined {
    return isUnknown(iterations) ||
        (Number.isInteger(iterations) &&
            Number(iterations) >= MIN_ITERATIONS &&
            Number(iterations) <= MAX_ITERATIONS)
        ? undefined
        : `${String(iterations)}: must be a whole number from ${MIN_ITERATIONS} to ${MAX_ITERATIONS}`;
}
