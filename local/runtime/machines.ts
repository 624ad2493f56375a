import { rfc3339 } from "../errors.ts";
import { ulid } from "../ids.ts";
import { parseDuration } from "../durations.ts";
import { DEFAULT_STOP } from "../model/config.ts";
import type { MachineConfig } from "../model/config.ts";
import type { ImageRef, MachineRecord } from "../model/records.ts";
import type { Settings } from "../settings.ts";
import type { Store } from "../state.ts";
import type { Containers, Exit } from "./containers.ts";
import { addEvent, addExit } from "./events.ts";
import type { Source } from "./events.ts";
import type { Images } from "./images.ts";
import { Queues } from "./queues.ts";
import { lostExit, recoveryOf, removeStrays } from "./recovery.ts";
import { afterExit } from "./restarts.ts";
import { Waiters } from "./waiters.ts";

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

/** How many destroyed machines an app's records keep. */
const KEPT_DESTROYED = 50;
/** Where work on a machine is refused because it is on its way out. */
const LEAVING = ["destroying", "destroyed"];

interface Running {
    container: string;
    address: string;
}

/**
 * Makes machines do what their records say. Work on one machine happens one step after another;
 * the record's state is set at once, as the API shows it, and the work follows.
 */
export class Machines {
    readonly #store: Store;
    readonly #settings: Settings;
    readonly #containers: Containers;
    readonly #images: Images;
    readonly #hooks: MachineHooks;
    /** Wakes requests that wait for a state. */
    readonly waiters = new Waiters();
    readonly #queues = new Queues();
    readonly #running = new Map<string, Running>();
    readonly #timers = new Map<string, NodeJS.Timeout>();
    #closing = false;

    constructor(
        store: Store,
        settings: Settings,
        containers: Containers,
        images: Images,
        hooks: MachineHooks,
    ) {
        this.#store = store;
        this.#settings = settings;
        this.#containers = containers;
        this.#images = images;
        this.#hooks = hooks;
    }

    /** The container address of a started machine. */
    address(id: string): string | undefined {
        return this.#running.get(id)?.address;
    }

    launch(machine: MachineRecord): void {
        this.#enqueue(machine, () => this.#boot(machine, machine.instanceId));
    }

    start(machine: MachineRecord, source: Source): void {
        this.#cancelRestart(machine.id);
        addEvent(machine, "start", "starting", source);
        this.#set(machine, "starting");
        this.#enqueue(machine, () => this.#boot(machine, machine.instanceId));
    }

    stop(machine: MachineRecord, how: { signal?: string; timeoutMs?: number } = {}): void {
        this.#cancelRestart(machine.id);
        addEvent(machine, "stop", "stopping", "user");
        this.#set(machine, "stopping");
        this.#enqueue(machine, async () => {
            if (machine.state !== "stopping") return;
            await this.#halt(machine, { requestedStop: true, restarting: false }, how);
            this.#set(machine, "stopped");
        });
    }

    restart(machine: MachineRecord, how: { signal?: string; timeoutMs?: number } = {}): void {
        this.#cancelRestart(machine.id);
        addEvent(machine, "restart", "restarting", "user");
        this.#set(machine, "restarting");
        this.#enqueue(machine, () => this.#boot(machine, machine.instanceId, how));
    }

    /** Takes a new configuration: a new version, booted unless `launch` is false. */
    update(machine: MachineRecord, config: MachineConfig, image: ImageRef, launch: boolean): void {
        this.#cancelRestart(machine.id);
        const before = machine.state;
        machine.config = config;
        machine.image = image;
        machine.instanceId = ulid();
        machine.versions = [
            { version: machine.instanceId, user_config: config },
            ...machine.versions,
        ].slice(0, 50);
        machine.restarts = [];
        delete machine.pinnedSecrets;
        addEvent(machine, "update", "replacing", "user");
        const version = machine.instanceId;
        if (launch || before === "started") {
            this.#set(machine, "replacing");
            this.#enqueue(machine, () => this.#boot(machine, version));
        } else {
            addEvent(machine, "launch", "created", "user");
            this.#set(machine, before === "created" ? "created" : "stopped");
        }
    }

    destroy(machine: MachineRecord, source: Source = "user"): void {
        this.#cancelRestart(machine.id);
        addEvent(machine, "destroy", "destroying", source);
        this.#set(machine, "destroying");
        this.#enqueue(machine, async () => {
            this.#running.delete(machine.id);
            this.#hooks.ending(machine);
            for (const one of await this.#containers.list()) {
                if (one.machine === machine.id) await this.#containers.remove(one.id);
            }
            this.#hooks.ended(machine);
            delete machine.container;
            this.#releaseVolume(machine);
            this.#forgetOldest(machine.app);
            addEvent(machine, "destroy", "destroyed", "flyd");
            this.#set(machine, "destroyed");
        });
    }

    /** A container ended that nobody asked to end. */
    exited(machineId: string, container: string): void {
        const machine = this.#store.data.machines[machineId];
        if (machine === undefined || this.#closing) return;
        this.#enqueue(machine, async () => {
            if (machine.container !== container || machine.state !== "started") return;
            const view = await this.#containers.view(container);
            if (view?.running === true) return;
            this.#ended(machine, view?.exit ?? lostExit());
        });
    }

    /** Looks at every started machine again: Docker was away, and its events with it. */
    recheck(): void {
        for (const machine of Object.values(this.#store.data.machines)) {
            if (machine.container !== undefined) this.exited(machine.id, machine.container);
        }
    }

    /**
     * Takes up where an earlier server stopped: finds the containers again, notices those that died
     * meanwhile, finishes what was half done.
     */
    async recover(): Promise<void> {
        await removeStrays(this.#containers, this.#store.data.machines);
        for (const machine of Object.values(this.#store.data.machines)) {
            const found = await recoveryOf(machine, this.#containers);
            switch (found.action) {
                case "adopt":
                    await this.#containers.adopt(machine, found.view.id);
                    this.#began(machine, found.view.id, found.view.address);
                    break;
                case "ended":
                    this.#ended(machine, found.exit);
                    break;
                case "boot":
                    if (machine.state === "started") this.#set(machine, "starting");
                    this.launch(machine);
                    break;
                case "stop":
                    this.stop(machine);
                    break;
                case "destroy":
                    this.destroy(machine);
                    break;
                case "none":
            }
        }
    }

    /** Ends every machine's container, keeping the records: the next server boots them again. */
    async close(): Promise<void> {
        this.#closing = true;
        for (const timer of this.#timers.values()) clearTimeout(timer);
        this.#timers.clear();
        this.waiters.close();
        await this.#queues.idle();
        await Promise.all(
            Object.values(this.#store.data.machines)
                .filter((machine) => this.#running.has(machine.id))
                .map((machine) => this.#halt(machine, { requestedStop: true, restarting: true })),
        );
    }

    #enqueue(machine: MachineRecord, job: () => Promise<void>): void {
        this.#queues.add(machine.id, async () => {
            try {
                await job();
            } catch (error) {
                await this.#fail(machine, error);
            }
        });
    }

    async #fail(machine: MachineRecord, error: unknown): Promise<void> {
        const reason = error instanceof Error ? error.message : String(error);
        this.#hooks.log(`machine ${machine.id} failed: ${reason}`);
        if (LEAVING.includes(machine.state)) return;
        // The version that still runs has been replaced, though by one that cannot start.
        await this.#halt(machine, { requestedStop: true, restarting: false }).catch(
            () => undefined,
        );
        addEvent(machine, "launch", "failed", "flyd", { error: reason });
        this.#set(machine, "failed");
    }

    /**
     * Makes the next container first, and only then ends the present one: a machine that is updated
     * or restarted is away no longer than its processes need.
     */
    async #boot(
        machine: MachineRecord,
        version: string,
        how: { signal?: string; timeoutMs?: number } = {},
    ): Promise<void> {
        const outdated = () =>
            this.#closing || machine.instanceId !== version || LEAVING.includes(machine.state);
        if (outdated()) return;
        const image = await this.#images.ensure(machine.image, machine.config.image);
        if (outdated()) return;
        const next = await this.#containers.prepare(machine, image, this.#secrets(machine));
        if (outdated()) return this.#containers.remove(next);
        const updating = machine.state === "replacing";
        if (machine.container !== undefined && this.#running.has(machine.id)) {
            await this.#halt(machine, { requestedStop: true, restarting: true }, how);
        }
        if (updating) addEvent(machine, "launch", "created", "user");
        machine.container = next;
        await this.#store.save();
        await this.#containers.start(machine, next);
        await this.#containers.adopt(machine, next);
        const view = await this.#containers.view(next);
        if (machine.instanceId !== version) return this.#began(machine, next, view?.address);
        addEvent(machine, "start", "started", "flyd");
        if (view?.running !== true) {
            this.#set(machine, "started");
            this.#ended(machine, view?.exit ?? lostExit());
            return;
        }
        this.#began(machine, next, view.address);
        if (machine.state === "stopping" || LEAVING.includes(machine.state)) return;
        this.#set(machine, "started");
    }

    #began(machine: MachineRecord, container: string, address: string | undefined): void {
        this.#running.set(machine.id, { container, address: address ?? "" });
        this.#hooks.started(machine, address ?? "");
        this.#hooks.changed(machine);
    }

    async #halt(
        machine: MachineRecord,
        about: { requestedStop: boolean; restarting: boolean },
        how: { signal?: string; timeoutMs?: number } = {},
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

    #ended(machine: MachineRecord, exit: Exit): void {
        this.#running.delete(machine.id);
        this.#hooks.ending(machine);
        this.#hooks.ended(machine);
        const next = afterExit(
            machine.config,
            exit,
            machine.restarts,
            this.#settings.restartBackoffMs,
        );
        addExit(machine, exit, { requestedStop: false, restarting: next.action === "restart" });
        if (next.action === "destroy") return this.destroy(machine, "flyd");
        if (next.action === "stop") return this.#set(machine, "stopped");
        this.#set(machine, "restarting");
        const timer = setTimeout(() => {
            this.#timers.delete(machine.id);
            machine.restarts = [...machine.restarts, Date.now()].slice(-100);
            addEvent(machine, "restart", "starting", "flyd", {
                restart_count: machine.restarts.length,
            });
            this.launch(machine);
        }, next.delayMs);
        this.#timers.set(machine.id, timer);
    }

    #cancelRestart(id: string): void {
        clearTimeout(this.#timers.get(id));
        this.#timers.delete(id);
    }

    #secrets(machine: MachineRecord): Record<string, string> {
        const app = this.#store.data.apps[machine.app];
        const values = Object.fromEntries(
            Object.entries(app?.secrets ?? {}).map(([name, secret]) => [name, secret.value]),
        );
        if (this.#settings.secretsOnRestart === "fresh") return values;
        machine.pinnedSecrets ??= values;
        return machine.pinnedSecrets;
    }

    /** The volume counts as bound for a while after its machine is gone. */
    #releaseVolume(machine: MachineRecord): void {
        const until = Date.now() + this.#settings.volumeReleaseMs;
        for (const volume of Object.values(this.#store.data.volumes)) {
            if (volume.machine === machine.id) volume.boundUntil = until;
        }
    }

    /** Destroyed machines answer for a while, not for ever. */
    #forgetOldest(app: string): void {
        const gone = Object.values(this.#store.data.machines)
            .filter((one) => one.app === app && one.state === "destroyed")
            .sort((a, b) => b.changedAt - a.changedAt);
        for (const one of gone.slice(KEPT_DESTROYED)) delete this.#store.data.machines[one.id];
    }

    #set(machine: MachineRecord, state: string): void {
        machine.state = state;
        machine.changedAt = Date.now();
        machine.updatedAt = rfc3339(machine.changedAt);
        void this.#store.save();
        this.#hooks.changed(machine);
        this.waiters.changed();
    }
}
