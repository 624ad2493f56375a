/** Prints the progress of a long transfer. */
import { say } from "../lib/process.ts";

const SAY_EVERY_MS = 5000;

export class Transfer {
    readonly #what: string;
    readonly #total: number;
    #done = 0;
    #nextAt = performance.now() + SAY_EVERY_MS;

    /**
     * Starts at zero.
     * @param what participle for the progress line, such as `fetched`
     */
    constructor(what: string, files: readonly { bytes: number }[]) {
        this.#what = what;
        this.#total = files.reduce((sum, { bytes }) => sum + bytes, 0);
    }

    moved(bytes: number): void {
        this.#done += bytes;
        if (performance.now() < this.#nextAt) return;
        this.#nextAt = performance.now() + SAY_EVERY_MS;
        say(`  … ${megabytes(this.#done)} of ${megabytes(this.#total)} ${this.#what}`);
    }
}

export function megabytes(bytes: number): string {
    return `${(bytes / 1e6).toFixed(1)} MB`;
}
