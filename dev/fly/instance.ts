import { createHash } from "node:crypto";
import { mkdirSync, realpathSync } from "node:fs";

/** Derives the instance's ID from its directory, for labels, addresses and volumes. */
export function instanceOf(dir: string): { dir: string; instance: string } {
    mkdirSync(dir, { recursive: true, mode: 0o700 });
    const real = realpathSync(dir);
    return { dir: real, instance: createHash("sha256").update(real).digest("hex").slice(0, 12) };
}
