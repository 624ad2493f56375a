/** Reads the program's settings from a stack's file, for commands that run before Pulumi can. */
import { readFileSync } from "node:fs";
import path from "node:path";
import { parse } from "yaml";
import { ROOT } from "./paths.ts";

/** Settings with plain string values, without their namespace. */
export function settingsInFile(stack: string): Partial<Record<string, string>> {
    const text = readFileSync(path.join(ROOT, `Pulumi.${stack}.yaml`), "utf8");
    const file = parse(text) as { config?: Record<string, string> } | null;
    const config = file?.config ?? {};
    return Object.fromEntries(
        Object.entries(config).map(([key, value]) => [key.replace(/^appkata-mqtt:/, ""), value]),
    );
}
