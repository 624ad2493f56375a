/** Figures as ratios in one run: what is measured alternates with its floor, so both see the same machine. */
import { performance } from "node:perf_hooks";

export interface Figures {
    /** Seconds, sorted. */
    seconds: number[];
    median: number;
    min: number;
    max: number;
}

export async function alternate(
    runs: number,
    programs: Record<string, () => Promise<void>>,
): Promise<Record<string, Figures>> {
    const seconds = Object.fromEntries(Object.keys(programs).map((name) => [name, [] as number[]]));
    for (const program of Object.values(programs)) await program();
    for (let run = 0; run < runs; run++) {
        for (const [name, program] of Object.entries(programs)) {
            const begun = performance.now();
            await program();
            seconds[name]!.push((performance.now() - begun) / 1000);
        }
    }
    return Object.fromEntries(
        Object.entries(seconds).map(([name, values]) => [name, figuresOf(values)]),
    );
}

export function figuresOf(values: number[]): Figures {
    const seconds = values.toSorted((a, b) => a - b);
    const middle = (seconds.length - 1) / 2;
    const median = (seconds[Math.floor(middle)]! + seconds[Math.ceil(middle)]!) / 2;
    return { seconds, median, min: seconds[0]!, max: seconds.at(-1)! };
}

export function row(name: string, { median, min, max }: Figures): string {
    const text = [median, min, max].map((value) => `${value.toFixed(2)} s`);
    return `${name.padEnd(36)} median ${text[0]}  (${text[1]} to ${text[2]})`;
}
