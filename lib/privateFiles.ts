/** Makes files private by their own modes, not only by their folder's. */
import { chmodSync, existsSync, lstatSync, mkdirSync, readdirSync } from "node:fs";
import path from "node:path";

/** Makes a folder and its content private, and also whatever this process and its children write later. */
export function keepPrivate(folder: string): void {
    process.umask(0o077);
    mkdirSync(folder, { recursive: true });
    for (const name of [".", ...inside(folder)]) {
        const file = path.join(folder, name);
        const stat = lstatSync(file, { throwIfNoEntry: false });
        if (stat === undefined || stat.isSymbolicLink() || (stat.mode & 0o077) === 0) continue;
        if (stat.uid === process.getuid?.()) chmodSync(file, stat.mode & 0o700);
    }
}

/**
 * Lists the whole Pulumi state, but only the first level of the rest: the local Fly's volumes have
 * their own owners.
 */
function inside(folder: string): string[] {
    return readdirSync(folder).flatMap((name) => {
        const state = name === "pulumi" && existsSync(path.join(folder, name, ".pulumi"));
        const deeper = state ? readdirSync(path.join(folder, name), { recursive: true }) : [];
        return [name, ...deeper.map((one) => path.join(name, String(one)))];
    });
}
