import { rfc3339 } from "../errors.ts";
import { ulid } from "../ids.ts";
import type { MachineConfig } from "../model/config.ts";
import type { AppRecord, ImageRef, MachineRecord, MachineState } from "../model/records.ts";
import type { Settings } from "../settings.ts";
import type { Store } from "../state.ts";

/** Number of destroyed machines that an app's records keep. */
const KEPT_DESTROYED = 50;
const KEPT_VERSIONS = 50;

/** An app's current secrets: name → value. */
export function secretValues({ secrets }: AppRecord): Record<string, string> {
    return Object.fromEntries(Object.entries(secrets).map(([name, { value }]) => [name, value]));
}

/** Changes the records of machines and of what belongs to them. */
export class MachineRecords {
    readonly #store: Store;
    readonly #settings: Settings;
    readonly #changed: (machine: MachineRecord) => void;

    /**
     * @param changed called after every change of a machine's state
     */
    constructor(store: Store, settings: Settings, changed: (machine: MachineRecord) => void) {
        this.#store = store;
        this.#settings = settings;
        this.#changed = changed;
    }

    /** Sets a machine's state and wakes those who wait for it. */
    setState(machine: MachineRecord, state: MachineState): void {
        machine.state = state;
        machine.changedAt = Date.now();
        machine.updatedAt = rfc3339(machine.changedAt);
        void this.#store.save();
        this.#changed(machine);
    }

    /** Gives a machine a new version with this config. */
    renew(machine: MachineRecord, config: MachineConfig, image: ImageRef): void {
        machine.config = config;
        machine.image = image;
        machine.instanceId = ulid();
        machine.versions = [
            { version: machine.instanceId, user_config: config },
            ...machine.versions,
        ].slice(0, KEPT_VERSIONS);
        machine.restarts = [];
        machine.pinnedSecrets = this.#secretsOf(machine.app);
    }

    /** Secrets that the machine starts with: name → value. */
    secrets(machine: MachineRecord): Record<string, string> {
        if (this.#settings.secretsOnRestart === "fresh") return this.#secretsOf(machine.app);
        // Records older than this setting have none.
        machine.pinnedSecrets ??= this.#secretsOf(machine.app);
        return machine.pinnedSecrets;
    }

    #secretsOf(app: string): Record<string, string> {
        const found = this.#store.data.apps[app];
        return found === undefined ? {} : secretValues(found);
    }

    /** Releases a machine's volume, which stays bound for a while after the machine is gone. */
    releaseVolume(machine: MachineRecord): void {
        const until = Date.now() + this.#settings.volumeReleaseMs;
        for (const volume of Object.values(this.#store.data.volumes)) {
            if (volume.machine === machine.id) volume.boundUntil = until;
        }
    }

    /** Drops the oldest destroyed machines. */
    forgetOldest(app: string): void {
        const gone = Object.values(this.#store.data.machines)
            .filter((one) => one.app === app && one.state === "destroyed")
            .sort((a, b) => b.changedAt - a.changedAt);
        for (const one of gone.slice(KEPT_DESTROYED)) delete this.#store.data.machines[one.id];
    }
}
