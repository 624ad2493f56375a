/** Locates the toolchain's binaries: in TOOLCHAIN_BIN, or where the project's own toolchain built them. */
import { existsSync } from "node:fs";
import path from "node:path";

export const ROOT = path.resolve(import.meta.dirname, "../../..");

const FOLDERS = [
    process.env["TOOLCHAIN_BIN"],
    path.join(ROOT, ".toolchain", "bin"),
    path.join(ROOT, ".toolchain", "plugins"),
];

/** Finds a binary's path. Throws if there is none, since a test without it proves nothing. */
export function binary(name: string): string {
    for (const folder of FOLDERS) {
        if (folder !== undefined && existsSync(path.join(folder, name))) {
            return path.join(folder, name);
        }
    }
    throw new Error(
        `${name} is in none of ${FOLDERS.filter((folder) => folder !== undefined).join(", ")}; ` +
            "build it first, or set TOOLCHAIN_BIN",
    );
}
