/** A process and its descendants: Pulumi's plugins have process groups of their own. */
import { readdirSync, readFileSync } from "node:fs";

/** All descendants of a process. Daemons have left: init is their parent. */
function descendants(root: number): number[] {
    const parents = new Map<number, number>();
    for (const name of readdirSync("/proc")) {
        if (!/^\d+$/.test(name)) continue;
        try {
            const stat = readFileSync(`/proc/${name}/stat`, "utf8");
            const [, parent] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
            parents.set(Number(name), Number(parent));
        } catch {
            // It has ended meanwhile.
        }
    }
    const found = [root];
    for (const pid of found) {
        for (const [child, parent] of parents) if (parent === pid) found.push(child);
    }
    return found.slice(1);
}

export function signal(pid: number, name: NodeJS.Signals): void {
    try {
        process.kill(pid, name);
    } catch {
        // It ended before.
    }
}

export function killTree(root: number): void {
    const all = [root, ...descendants(root)];
    // Stops all of them first, so that none acts while the others are killed.
    for (const pid of all) signal(pid, "SIGSTOP");
    for (const pid of new Set([...all, ...descendants(root)])) signal(pid, "SIGKILL");
}
