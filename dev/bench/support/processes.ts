/** Reads processes from `ps`. */
import { capture } from "../../../lib/process.ts";

export interface Process {
    id: number;
    parent: number;
    /** Resident megabytes. */
    mb: number;
    command: string;
}

/** Lists a process and its descendants. */
export async function family(root: number): Promise<Process[]> {
    const { stdout } = await capture(["ps", "-e", "-o", "pid=,ppid=,rss=,args="]);
    const all = stdout
        .trim()
        .split("\n")
        .map((line) => line.trim().split(/\s+/))
        .map(([id, parent, rss, ...command]) => ({
            id: Number(id),
            parent: Number(parent),
            mb: Number(rss) / 1024,
            command: command.join(" "),
        }));
    const found = all.filter(({ id }) => id === root);
    for (const { id } of found) found.push(...all.filter(({ parent }) => parent === id));
    return found;
}

const LOOK_EVERY_MS = 300;

/** Peak megabytes of a child process that matches, during `work`; 0 if none was seen. */
export async function peakOf(command: RegExp, work: () => Promise<unknown>): Promise<number> {
    let peak = 0;
    const look = async () => {
        const found = (await family(process.pid)).filter((one) => command.test(one.command));
        peak = Math.max(peak, ...found.map(({ mb }) => mb));
    };
    const timer = setInterval(() => void look(), LOOK_EVERY_MS);
    try {
        await work();
    } finally {
        clearInterval(timer);
    }
    return peak;
}
