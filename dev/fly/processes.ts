import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";

/**
 * When a process started, as the system tells it: with its id, this says whether a process written
 * down earlier is still the same one. @returns undefined when there is no such process.
 */
function startedAt(pid: number): string | undefined {
    if (process.platform === "linux") {
        try {
            const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
            const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
            // A zombie has ended; only its parent has not looked yet.
            return fields[0] === "Z" ? undefined : fields[19];
        } catch {
            return undefined;
        }
    }
    try {
        const told = execFileSync("ps", ["-o", "lstart=", "-p", String(pid)], { stdio: "pipe" });
        return told.toString().trim() || undefined;
    } catch {
        return undefined;
    }
}

export interface ProcessNote {
    pid: number;
    startedAt: string;
}

export function noteOf(pid: number): ProcessNote | undefined {
    const time = startedAt(pid);
    return time === undefined ? undefined : { pid, startedAt: time };
}

export function isAlive(note: ProcessNote | undefined): note is ProcessNote {
    return note !== undefined && startedAt(note.pid) === note.startedAt;
}

/** Finds the processes that were started with these arguments, one after another. */
export function processesWith(args: readonly string[]): ProcessNote[] {
    return commandLines()
        .filter(([, line]) => line.includes(` ${args.join(" ")} `))
        .flatMap(([pid]) => noteOf(pid) ?? []);
}

/** Each process with its arguments, a space before and after each. */
function commandLines(): [number, string][] {
    if (process.platform === "linux") {
        const pids = readdirSync("/proc").filter((name) => /^\d+$/.test(name));
        return pids.flatMap((pid) => {
            try {
                const line = readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ");
                return [[Number(pid), ` ${line} `]];
            } catch {
                return [];
            }
        });
    }
    const told = execFileSync("ps", ["-eo", "pid=,args="], { stdio: "pipe" }).toString();
    return [...told.matchAll(/^ *(\d+) (.*)$/gm)].map(([, pid, line]) => [
        Number(pid),
        ` ${line} `,
    ]);
}

/** Asks a noted process to end, then makes it; resolves once it is gone. Never hits another one. */
export async function end(note: ProcessNote | undefined, patienceMs: number): Promise<void> {
    if (!isAlive(note)) return;
    send(note.pid, "SIGTERM");
    const deadline = Date.now() + patienceMs;
    while (isAlive(note)) {
        if (Date.now() > deadline) send(note.pid, "SIGKILL");
        await new Promise((resolve) => setTimeout(resolve, 20));
    }
}

function send(pid: number, signal: NodeJS.Signals): void {
    try {
        process.kill(pid, signal);
    } catch {
        // It ended meanwhile.
    }
}
