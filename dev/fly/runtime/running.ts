import { parseDuration } from "../durations.ts";
import { DEFAULT_STOP } from "../model/config.ts";
import type { MachineRecord } from "../model/records.ts";
import type { Containers, ContainerView } from "./containers.ts";
import { addEvent, addExit } from "./events.ts";

export interface MachineHooks {
    /** Called after every change of a machine's state, address or routing. */
    changed(machine: MachineRecord): void;
    started(machine: MachineRecord, address: string): void;
    /** The machine is about to end: nothing new goes to it. */
    ending(machine: MachineRecord): void;
    /** Its processes are gone, and with them its connections. */
    ended(machine: MachineRecord): void;
    log(text: string): void;
}

export interface StopWish {
    signal?: string;
    timeoutMs?: number;
}

/** The machines whose containers run, and who is told when one begins and ends. */
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

    /** The container's address. */
    address(id: string): string | undefined {
        return this.#running.get(id)?.address;
    }

    /**
     * Starts the next container once the present one has ended: a machine that is updated or
     * restarted is away no longer than its processes need.
     *
     * @param next made, and not started
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

    /** Ends its container where one runs, and puts down how it ended. */
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

    /** Its container has ended by itself. */
    ended(machine: MachineRecord): void {
        this.#running.delete(machine.id);
        this.#hooks.ending(machine);
        this.#hooks.ended(machine);
    }

    /** Removes every container that is the machine's, by force. */
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
