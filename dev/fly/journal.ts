import { createWriteStream } from "node:fs";
import type { WriteStream } from "node:fs";
import { join } from "node:path";

/** One request as it is remembered: never a body, a header or a token. */
export interface JournalEntry {
    n: number;
    at: string;
    method: string;
    path: string;
    /** 0 when the connection was cut instead of answered. */
    status: number;
    ms: number;
    requestId: string;
    fault?: string;
}

const KEPT = 5000;

/** The requests served, in memory for tests and one line each in `DIR/log`. */
export class Journal {
    #entries: JournalEntry[] = [];
    #next = 1;
    readonly #file: WriteStream;

    constructor(dir: string) {
        this.#file = createWriteStream(join(dir, "log"), { flags: "a", mode: 0o600 });
        this.#file.on("error", () => undefined);
    }

    add(entry: Omit<JournalEntry, "n" | "at">): void {
        const full: JournalEntry = { n: this.#next++, at: new Date().toISOString(), ...entry };
        this.#entries.push(full);
        if (this.#entries.length > KEPT) this.#entries.shift();
        const fault = full.fault === undefined ? "" : ` fault=${full.fault}`;
        this.#file.write(
            `${full.at} ${full.method} ${full.path} ${full.status} ${full.ms}ms ${full.requestId}${fault}\n`,
        );
    }

    /** A line that is not about a request to the API. */
    note(text: string): void {
        this.#file.write(`${new Date().toISOString()} ${text.replaceAll(/\s+/g, " ")}\n`);
    }

    /** Entries after number `since`. */
    since(since: number): JournalEntry[] {
        return this.#entries.filter((entry) => entry.n > since);
    }

    clear(): void {
        this.#entries = [];
    }

    close(): Promise<void> {
        return new Promise((resolve) => this.#file.end(resolve));
    }
}
