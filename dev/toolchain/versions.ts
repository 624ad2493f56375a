/** Reads the versions that package.json pins, and compares versions. */
import { readFileSync } from "node:fs";
import path from "node:path";
import { ROOT } from "../../lib/paths.ts";

/** Finds the pinned version of a package. The SDK asks the engine for a plugin of its own version. */
export function pinned(name: string): string {
    const manifest = readFileSync(path.join(ROOT, "package.json"), "utf8");
    const { dependencies } = JSON.parse(manifest) as { dependencies: Record<string, string> };
    return dependencies[`@pulumi/${name}`]!;
}

/** Compares the first two numbers of a version such as `v3.250.0` or `go1.26.8`. */
export function atLeast(version: string, [major, minor]: number[]): boolean {
    const [first = 0, second = 0] = (version.match(/\d+/g) ?? []).map(Number);
    return first > major! || (first === major! && second >= minor!);
}
