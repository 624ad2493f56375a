/** A process with all that it started: Pulumi's plugins have process groups of their own. */
import { readdirSync, readFileSync } from "node:fs";

/** Whatever a process started, and what that started. Daemons have left: init is their parent. */
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
    // Nobody of them does anything more while the others are being killed.
    for (const pid of all) signal(pid, "SIGSTOP");
    for (const pid of new Set([...all, ...descendants(root)])) signal(pid, "SIGKILL");
}
