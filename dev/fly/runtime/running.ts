import { parseDuration } from "../durations.ts";
import { DEFAULT_STOP } from "../model/config.ts";
import type { MachineRecord } from "../model/records.ts";
import type { Containers, ContainerView } from "./containers.ts";
import { addEvent, addExit } from "./events.ts";

export interface MachineHooks {
    /** Called after every change of a machine's state, address or routing. */
    changed(machine: MachineRecord): void;
    started(machine: MachineRecord, address: string): void;
    /** Called before a machine is stopped: it gets no new connections. */
    ending(machine: MachineRecord): void;
    /** Called when its processes are gone, and its connections with them. */
    ended(machine: MachineRecord): void;
    log(text: string): void;
}

export interface StopWish {
    signal?: string;
    timeoutMs?: number;
}

/** Tracks machines whose containers run, and reports when one starts and ends. */
export class Running {
    readonly #containers: Containers;
    readonly #hooks: MachineHooks;
    readonly #save: () => Promise<void>;
    readonly #running = new Map<string, { container: string; address: string }>();

    constructor(containers: Containers, hooks: MachineHooks, save: () => Promise<void>) {
        this.#containers = containers;
        this.#hooks = hooks;
        this.#save = save;
    }

    has(id: string): boolean {
        return this.#running.has(id);
    }

    /** Container address of a machine. */
    address(id: string): string | undefined {
        return this.#running.get(id)?.address;
    }

    /**
     * Starts the next container once the current one has exited, so that an update or restart takes no
     * longer than the machine's processes need.
     * @param next container that is created, but not started
     */
    async replace(
        machine: MachineRecord,
        next: string,
        how: StopWish,
    ): Promise<ContainerView | undefined> {
        const updating = machine.state === "replacing";
        if (machine.container !== undefined && this.#running.has(machine.id)) {
            await this.halt(machine, { requestedStop: true, restarting: true }, how);
        }
        if (updating) addEvent(machine, "launch", "created", "user");
        machine.container = next;
        await this.#save();
        await this.#containers.start(machine, next);
        await this.#containers.adopt(machine, next);
        return this.#containers.view(next);
    }

    began(machine: MachineRecord, container: string, address: string | undefined): void {
        this.#running.set(machine.id, { container, address: address ?? "" });
        this.#hooks.started(machine, address ?? "");
        this.#hooks.changed(machine);
    }

    /** Stops a machine's container, if it runs, and records its exit. */
    async halt(
        machine: MachineRecord,
        about: { requestedStop: boolean; restarting: boolean },
        how: StopWish = {},
    ): Promise<void> {
        const running = this.#running.get(machine.id);
        this.#running.delete(machine.id);
        if (running === undefined) return;
        this.#hooks.ending(machine);
        const asked = machine.config.stop_config;
        const exit = await this.#containers.halt(
            running.container,
            how.signal ?? asked?.signal ?? DEFAULT_STOP.signal,
            how.timeoutMs ?? parseDuration(asked?.timeout) ?? DEFAULT_STOP.timeoutMs,
        );
        this.#hooks.ended(machine);
        addExit(machine, exit, about);
    }

    /** Records that a machine's container exited by itself. */
    ended(machine: MachineRecord): void {
        this.#running.delete(machine.id);
        this.#hooks.ending(machine);
        this.#hooks.ended(machine);
    }

    /** Removes all of a machine's containers, by force. */
    async remove(machine: MachineRecord): Promise<void> {
        this.#running.delete(machine.id);
        this.#hooks.ending(machine);
        for (const one of await this.#containers.list()) {
            if (one.machine === machine.id) await this.#containers.remove(one.id);
        }
        this.#hooks.ended(machine);
        delete machine.container;
    }
}
