/** Waits and polls up to a deadline, and reports progress when it takes long. */
import { setTimeout as timer } from "node:timers/promises";
import { visibleLine } from "../../../lib/visible.ts";
import { cancelled } from "./cancel.ts";

/** Clock that tests can replace. */
export interface Clock {
    /** Milliseconds from an arbitrary start. */
    now(): number;
    sleep(ms: number): Promise<unknown>;
}

/** @throws Cancelled */
export async function sleep(ms: number): Promise<void> {
    await timer(ms, undefined, { signal: cancelled }).catch(() => cancelled.throwIfAborted());
}

export const REAL_CLOCK: Clock = { now: () => performance.now(), sleep };

/** Time at which an operation gives up, shared by all of its waits. */
export interface Deadline {
    readonly at: number;
    readonly seconds: number;
}

export function deadlineIn(seconds: number): Deadline {
    return { at: performance.now() + seconds * 1000, seconds };
}

export function remainingMs(deadline: Deadline): number {
    return Math.max(0, deadline.at - performance.now());
}

const SAY_EVERY_MS = 10_000;

/**
 * Reports what a wait is for, at most every ten seconds and not in the first ten. The engine shows a
 * provider's standard output as messages of the running operation.
 */
export class Progress {
    readonly #label: string;
    #nextAt = performance.now() + SAY_EVERY_MS;

    constructor(label: string) {
        this.#label = label;
    }

    say(what: string): void {
        if (performance.now() >= this.#nextAt) {
            this.#nextAt = performance.now() + SAY_EVERY_MS;
            console.log(visibleLine(`${this.#label}: ${what}`));
        }
    }
}

/** Pauses between looks, short at first, since most operations finish at once. */
const PAUSES_MS = [500, 1000, 2000, 3000, 5000];

/**
 * Calls `look` until it returns something, and returns that; undefined after the deadline.
 * @param pausesMs pauses between calls; the last one repeats
 */
export async function poll<T>(
    deadline: Deadline,
    look: () => Promise<T | undefined>,
    pausesMs: readonly number[] = PAUSES_MS,
): Promise<T | undefined> {
    for (let round = 0; ; round++) {
        const found = await look();
        if (found !== undefined) {
            return found;
        }
        const left = remainingMs(deadline);
        if (left === 0) {
            return undefined;
        }
        const pause = pausesMs[Math.min(round, pausesMs.length - 1)] ?? 0;
        await sleep(Math.min(pause, left));
    }
}
