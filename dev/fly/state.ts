import { mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { accessToken } from "./ids.ts";
import type { LocalState } from "./model/records.ts";

export const OWN_ORGANIZATION = { slug: "local", name: "Local Fly", numericId: 1 } as const;

function emptyState(token: string): LocalState {
    return {
        schema: 1,
        token,
        registryHosts: [],
        organizations: [{ ...OWN_ORGANIZATION }],
        deployTokens: [],
        apps: {},
        machines: {},
        volumes: {},
        snapshots: {},
    };
}

/**
 * State of one instance, in `DIR/state.json` (directory 0700, file 0600: it holds the apps' secrets).
 * Change `data`, then call `save()`. Writes are atomic; those requested in one turn of the event loop
 * are merged.
 */
export class Store {
    readonly data: LocalState;
    readonly #file: string;
    #pending: Promise<void> | undefined;
    #closed = false;

    constructor(dir: string, token?: string) {
        mkdirSync(dir, { recursive: true, mode: 0o700 });
        this.#file = join(dir, "state.json");
        this.data = readState(this.#file) ?? emptyState(token ?? accessToken());
        if (token !== undefined) this.data.token = token;
        this.#write();
    }

    /** Requests a write and resolves when the current content is on disk. */
    save(): Promise<void> {
        this.#pending ??= new Promise((resolve, reject) => {
            setImmediate(() => {
                this.#pending = undefined;
                try {
                    if (!this.#closed) this.#write();
                    resolve();
                } catch (error) {
                    reject(error instanceof Error ? error : new Error(String(error)));
                }
            });
        });
        // Not every caller waits for the write.
        this.#pending.catch(() => undefined);
        return this.#pending;
    }

    /** Writes now, and nothing afterwards. */
    close(): void {
        if (this.#closed) return;
        this.#write();
        this.#closed = true;
    }

    #write(): void {
        const next = `${this.#file}.next`;
        writeFileSync(next, JSON.stringify(this.data), { mode: 0o600 });
        renameSync(next, this.#file);
    }
}

/**
 * Reads a state file.
 * @throws Error when the file exists, but is not a state of this schema
 */
export function readState(file: string): LocalState | undefined {
    let text: string;
    try {
        text = readFileSync(file, "utf8");
    } catch (error) {
        if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
        throw error;
    }
    const state = JSON.parse(text) as LocalState;
    if (state.schema !== 1) throw new Error(`${file} was written by another version of local Fly`);
    return state;
}
