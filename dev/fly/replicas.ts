import type { LocalState } from "./model/records.ts";

interface Snapshot {
    /** Time (ms) until which this was the state. */
    until: number;
    text: string;
}

const KEPT = 64;

/** Earlier states of the instance, for stale reads. */
export class Replicas {
    #snapshots: Snapshot[] = [];

    /** Keeps the current state, before a write. */
    keep(state: LocalState): void {
        this.#snapshots.push({ until: Date.now(), text: JSON.stringify(state) });
        if (this.#snapshots.length > KEPT) this.#snapshots.shift();
    }

    clear(): void {
        this.#snapshots = [];
    }

    /** Returns the state before the latest write; undefined if nothing was written yet. */
    beforeLastWrite(): LocalState | undefined {
        const last = this.#snapshots.at(-1);
        return last === undefined ? undefined : (JSON.parse(last.text) as LocalState);
    }

    /** Returns the state `lagMs` ago; undefined if it is still the current one. */
    lagging(lagMs: number, now = Date.now()): LocalState | undefined {
        const found = this.#snapshots.find((one) => one.until > now - lagMs);
        return found === undefined ? undefined : (JSON.parse(found.text) as LocalState);
    }
}
