import { createHash } from "node:crypto";

/** Derives an address from a seed. All are on loopback, from 127.64.0.0 up, away from 127.0.0.x. */
function fromHash(seed: string): string {
    const [a = 0, b = 0, c = 0] = createHash("sha256").update(seed).digest();
    return `127.${64 + (a % 128)}.${b}.${1 + (c % 254)}`;
}

/** Picks a loopback IPv4 address that is not in `taken`. The same seed gives the same address. */
export function loopbackAddress(seed: string, taken: ReadonlySet<string>): string {
    for (let attempt = 0; ; attempt++) {
        const address = fromHash(`${seed}/${attempt}`);
        if (!taken.has(address)) return address;
    }
}

/** Makes a 6PN address in Fly's form (`fdaa:…:a7b:…`); nothing listens on it. */
export function privateAddress(seed: string): string {
    const hex = createHash("sha256").update(seed).digest("hex");
    const group = (at: number) => hex.slice(at, at + 4).replace(/^0+(?=.)/, "");
    return `fdaa:0:${group(0)}:a7b:${group(4)}:${group(8)}:${group(12)}:2`;
}
