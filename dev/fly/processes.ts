import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";

/**
 * Reads when a process started. With its ID this tells whether a process recorded earlier is still the
 * same.
 * @returns undefined when there is no such process
 */
function startedAt(pid: number): string | undefined {
    if (process.platform === "linux") {
        try {
            const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
            const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
            // A zombie has ended; its parent has not collected it yet.
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

/** Finds the processes started with these consecutive arguments. */
export function processesWith(args: readonly string[]): ProcessNote[] {
    return commandLines()
        .filter(([, line]) => line.includes(` ${args.join(" ")} `))
        .flatMap(([pid]) => noteOf(pid) ?? []);
}

/** Lists processes with their arguments, each with a space before and after. */
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

/**
 * Ends a recorded process, by force after `patienceMs`, and resolves once it is gone. Never hits
 * another process with the same ID.
 */
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
        // The process ended meanwhile.
    }
}
