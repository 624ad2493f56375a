import { createWriteStream } from "node:fs";
import type { WriteStream } from "node:fs";
import { join } from "node:path";

/** Record of a request, without bodies, headers and tokens. */
export interface JournalEntry {
    n: number;
    at: string;
    method: string;
    path: string;
    /** Status code; 0 if the connection was cut instead of answered. */
    status: number;
    ms: number;
    requestId: string;
    fault?: string;
}

const KEPT = 5000;

/** Journal of requests: in memory for tests, and as lines in `DIR/log`. */
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

    /** Adds a line that is not about a request to the API. */
    note(text: string): void {
        this.#file.write(`${new Date().toISOString()} ${text.replaceAll(/\s+/g, " ")}\n`);
    }

    /** Lists entries after number `since`. */
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
