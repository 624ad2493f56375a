import type { LocalState } from "./model/records.ts";

interface Snapshot {
    /** Until when (ms) this was the state. */
    until: number;
    text: string;
}

const KEPT = 64;

/** Earlier states of the instance, for reads that are to lag behind the writes. */
export class Replicas {
    #snapshots: Snapshot[] = [];

    /** Keeps the state as it is before a write. */
    keep(state: LocalState): void {
        this.#snapshots.push({ until: Date.now(), text: JSON.stringify(state) });
        if (this.#snapshots.length > KEPT) this.#snapshots.shift();
    }

    clear(): void {
        this.#snapshots = [];
    }

    /** The state before the latest write; undefined when nothing was written yet. */
    beforeLastWrite(): LocalState | undefined {
        const last = this.#snapshots.at(-1);
        return last === undefined ? undefined : (JSON.parse(last.text) as LocalState);
    }

    /** The state of `lagMs` ago; undefined when that is the present one. */
    lagging(lagMs: number, now = Date.now()): LocalState | undefined {
        const found = this.#snapshots.find((one) => one.until > now - lagMs);
        return found === undefined ? undefined : (JSON.parse(found.text) as LocalState);
    }
}
