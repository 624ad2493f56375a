import { randomBytes, randomInt } from "node:crypto";

const CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const LOWER = "0123456789abcdefghijklmnopqrstuvwxyz";

function pick(alphabet: string, length: number): string {
    let text = "";
    for (const byte of randomBytes(length)) text += alphabet.charAt(byte % alphabet.length);
    return text;
}

let lastTime = 0;

/** Makes a ULID: 26 characters, sorted by time. Used for instance, event and request IDs. */
export function ulid(now = Date.now()): string {
    // IDs made in the same millisecond must sort in order, too.
    lastTime = now <= lastTime ? lastTime + 1 : now;
    let rest = lastTime;
    let time = "";
    for (let i = 0; i < 10; i++) {
        time = CROCKFORD.charAt(rest % 32) + time;
        rest = Math.floor(rest / 32);
    }
    return time + pick(CROCKFORD, 16);
}

/** Makes a machine ID in Fly's form: 14 hexadecimal digits. */
export function machineId(): string {
    return randomBytes(7).toString("hex");
}

export function volumeId(): string {
    return `vol_${pick(LOWER, 16)}`;
}

export function snapshotId(): string {
    return `vs_${pick(LOWER, 17)}`;
}

export function appId(): string {
    return pick(LOWER, 16);
}

export function leaseNonce(): string {
    return randomBytes(6).toString("hex");
}

/** Makes a token in the form of a Fly organisation token. */
export function accessToken(): string {
    return `fo1_${randomBytes(32).toString("base64url").replaceAll(/[-_]/g, "x")}`;
}

export function deployToken(): string {
    return `fm2_${randomBytes(48).toString("base64url")}`;
}

const ADJECTIVES = ["aged", "bold", "calm", "dawn", "empty", "fragrant", "lively", "summer"];
const NOUNS = ["thunder", "wind", "sun", "moon", "river", "frost", "meadow", "sky"];

/** Makes up a name for a machine created without one, as Fly does. */
export function machineName(): string {
    const one = (words: string[]) => words[randomInt(words.length)] ?? "local";
    return `${one(ADJECTIVES)}-${one(NOUNS)}-${randomInt(1000, 10000)}`;
}
