/**
 * Measures programs in turns with their baseline, so that both see the same machine, and compares them
 * as ratios.
 */
import { readFileSync } from "node:fs";
import { performance } from "node:perf_hooks";

export interface Figures {
    /** Seconds, sorted. */
    seconds: number[];
    median: number;
    min: number;
    max: number;
}

/** Elapsed time, which other work on the machine affects, and CPU time, which it does not. */
export interface Times {
    wall: Figures;
    cpu: Figures;
}

/**
 * Runs programs in turns and measures them.
 * @param programs each runs commands and waits for them to exit
 */
export async function alternate(
    runs: number,
    programs: Record<string, () => Promise<void>>,
): Promise<Record<string, Times>> {
    const all = Object.entries(programs).map(([name, program]) => {
        return { name, program, wall: [] as number[], cpu: [] as number[] };
    });
    for (const { program } of all) await program();
    for (let run = 0; run < runs; run++) {
        for (const { program, wall, cpu } of all) {
            const begun = performance.now();
            const used = cpuOfChildren();
            await program();
            wall.push((performance.now() - begun) / 1000);
            cpu.push(cpuOfChildren() - used);
        }
    }
    return Object.fromEntries(
        all.map(({ name, wall, cpu }) => [name, { wall: figuresOf(wall), cpu: figuresOf(cpu) }]),
    );
}

const TICKS_A_SECOND = 100;

/** CPU seconds of all exited child processes of this one (proc_pid_stat(5)). */
function cpuOfChildren(): number {
    const stat = readFileSync("/proc/self/stat", "utf8");
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    const [user, system] = [fields[13], fields[14]].map(Number);
    return (user! + system!) / TICKS_A_SECOND;
}

export function figuresOf(values: number[]): Figures {
    const seconds = values.toSorted((a, b) => a - b);
    const middle = (seconds.length - 1) / 2;
    const median = (seconds[Math.floor(middle)]! + seconds[Math.ceil(middle)]!) / 2;
    return { seconds, median, min: seconds[0]!, max: seconds.at(-1)! };
}

export function row(name: string, { wall, cpu }: Times): string {
    return `${name.padEnd(36)} median ${shown(wall)}; CPU ${shown(cpu)}`;
}

function shown({ median, min, max }: Figures): string {
    return `${median.toFixed(2)} s (${min.toFixed(2)} to ${max.toFixed(2)})`;
}

/** Formats the ratios of the medians to the baseline's. */
export function ratio(floor: Times, ours: Times): string {
    const of = (which: keyof Times) => (ours[which].median / floor[which].median).toFixed(2);
    return `ratio of the medians: ${of("wall")}, of CPU ${of("cpu")}`;
}
