/** Files that are their user's alone, by their own modes rather than by their folder's. */
import { chmodSync, existsSync, lstatSync, mkdirSync, readdirSync } from "node:fs";
import path from "node:path";

/** Makes the folder and what is in it private, and so whatever this process and its children write. */
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

/** All of the state; of the rest the first level, since the local Fly's volumes have owners of their own. */
function inside(folder: string): string[] {
    return readdirSync(folder).flatMap((name) => {
        const state = name === "pulumi" && existsSync(path.join(folder, name, ".pulumi"));
        const deeper = state ? readdirSync(path.join(folder, name), { recursive: true }) : [];
        return [name, ...deeper.map((one) => path.join(name, String(one)))];
    });
}
