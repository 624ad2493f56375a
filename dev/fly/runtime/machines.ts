import type { MachineConfig } from "../model/config.ts";
import type { ImageRef, MachineRecord } from "../model/records.ts";
import type { Settings } from "../settings.ts";
import type { Store } from "../state.ts";
import type { Containers, Exit } from "./containers.ts";
import { addEvent, addExit } from "./events.ts";
import type { Source } from "./events.ts";
import type { Images } from "./images.ts";
import { MachineRecords } from "./machineRecords.ts";
import { Queues } from "./queues.ts";
import { lostExit, recoveryOf, removeStrays } from "./recovery.ts";
import { afterExit, Restarts } from "./restarts.ts";
import { Running } from "./running.ts";
import type { MachineHooks, StopWish } from "./running.ts";
import { Waiters } from "./waiters.ts";

/** States in which a machine is being destroyed and accepts no work. */
const LEAVING = ["destroying", "destroyed"];

/**
 * Makes machines do what their records say. Work on one machine runs step by step: the record's state
 * changes at once, as the API shows it, and the work follows.
 */
export class Machines {
    readonly #store: Store;
    readonly #settings: Settings;
    readonly #containers: Containers;
    readonly #images: Images;
    readonly #running: Running;
    readonly #records: MachineRecords;
    readonly #log: (text: string) => void;
    /** Requests that wait for a state. */
    readonly waiters = new Waiters();
    readonly #queues = new Queues();
    readonly #restarts = new Restarts();
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
        this.#running = new Running(containers, hooks, () => store.save());
        this.#records = new MachineRecords(store, settings, (machine) => {
            hooks.changed(machine);
            this.waiters.changed();
        });
        this.#log = (text) => hooks.log(text);
    }

    /** Container address of a started machine. */
    address(id: string): string | undefined {
        return this.#running.address(id);
    }

    launch(machine: MachineRecord): void {
        this.#enqueue(machine, () => this.#boot(machine, machine.instanceId));
    }

    start(machine: MachineRecord, source: Source): void {
        this.#restarts.cancel(machine.id);
        addEvent(machine, "start", "starting", source);
        this.#records.setState(machine, "starting");
        this.#enqueue(machine, () => this.#boot(machine, machine.instanceId));
    }

    stop(machine: MachineRecord, how: StopWish = {}): void {
        this.#restarts.cancel(machine.id);
        addEvent(machine, "stop", "stopping", "user");
        this.#records.setState(machine, "stopping");
        this.#enqueue(machine, async () => {
            if (machine.state !== "stopping") return;
            await this.#running.halt(machine, { requestedStop: true, restarting: false }, how);
            this.#records.setState(machine, "stopped");
        });
    }

    restart(machine: MachineRecord, how: StopWish = {}): void {
        this.#restarts.cancel(machine.id);
        addEvent(machine, "restart", "restarting", "user");
        this.#records.setState(machine, "restarting");
        this.#enqueue(machine, () => this.#boot(machine, machine.instanceId, how));
    }

    /** Updates a machine: a new version, booted unless `launch` is false. */
    update(machine: MachineRecord, config: MachineConfig, image: ImageRef, launch: boolean): void {
        this.#restarts.cancel(machine.id);
        const before = machine.state;
        this.#records.renew(machine, config, image);
        addEvent(machine, "update", "replacing", "user");
        const version = machine.instanceId;
        if (launch || before === "started") {
            this.#records.setState(machine, "replacing");
            this.#enqueue(machine, () => this.#boot(machine, version));
        } else {
            addEvent(machine, "launch", "created", "user");
            this.#records.setState(machine, before === "created" ? "created" : "stopped");
        }
    }

    destroy(machine: MachineRecord, source: Source = "user"): void {
        this.#restarts.cancel(machine.id);
        addEvent(machine, "destroy", "destroying", source);
        this.#records.setState(machine, "destroying");
        // The state is set; the machine is destroyed when its host is back.
        if (machine.unreachable) return;
        this.#enqueue(machine, async () => {
            await this.#running.remove(machine);
            this.#records.releaseVolume(machine);
            this.#records.forgetOldest(machine.app);
            addEvent(machine, "destroy", "destroyed", "flyd");
            this.#records.setState(machine, "destroyed");
        });
    }

    /** Loses a machine's host: what runs there is unreachable, and the record stays as it is. */
    lose(machine: MachineRecord): void {
        this.#restarts.cancel(machine.id);
        machine.unreachable = true;
        this.#enqueue(machine, () => this.#running.remove(machine));
    }

    /** Brings a machine's host back, as after a reboot. */
    regain(machine: MachineRecord): void {
        delete machine.unreachable;
        if (machine.state === "destroying") return this.destroy(machine, "flyd");
        if (machine.state !== "started") return;
        this.#records.setState(machine, "starting");
        this.launch(machine);
    }

    /** Handles a container that exited without being asked to. */
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

    /** Checks every started machine again after Docker was away and events were missed. */
    recheck(): void {
        for (const machine of Object.values(this.#store.data.machines)) {
            if (machine.container !== undefined) this.exited(machine.id, machine.container);
        }
    }

    /**
     * Takes over from an earlier server: finds the containers again, notices those that died meanwhile
     * and completes unfinished work.
     */
    async recover(): Promise<void> {
        await removeStrays(this.#containers, this.#store.data.machines);
        for (const machine of Object.values(this.#store.data.machines)) {
            const found = await recoveryOf(machine, this.#containers);
            switch (found.action) {
                case "adopt":
                    await this.#containers.adopt(machine, found.view.id);
                    this.#running.began(machine, found.view.id, found.view.address);
                    break;
                case "ended":
                    this.#ended(machine, found.exit);
                    break;
                case "boot":
                    if (machine.state === "started") this.#records.setState(machine, "starting");
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

    /** Stops every machine's container, but keeps the records: the next server boots the machines again. */
    async close(): Promise<void> {
        this.#closing = true;
        this.#restarts.close();
        this.waiters.close();
        await this.#queues.idle();
        await Promise.all(
            Object.values(this.#store.data.machines)
                .filter((machine) => this.#running.has(machine.id))
                .map((machine) =>
                    this.#running.halt(machine, { requestedStop: true, restarting: true }),
                ),
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
        this.#log(`machine ${machine.id} failed: ${reason}`);
        if (LEAVING.includes(machine.state)) return;
        // The running version has been replaced, even though the new one cannot start.
        await this.#running
            .halt(machine, { requestedStop: true, restarting: false })
            .catch(() => undefined);
        addEvent(machine, "launch", "failed", "flyd", { error: reason });
        this.#records.setState(machine, "failed");
    }

    async #boot(machine: MachineRecord, version: string, how: StopWish = {}): Promise<void> {
        const outdated = () =>
            this.#closing || machine.instanceId !== version || LEAVING.includes(machine.state);
        if (outdated()) return;
        const image = await this.#images.ensure(machine.image, machine.config.image);
        if (outdated()) return;
        const env = this.#records.secrets(machine);
        const next = await this.#containers.prepare(machine, image, env);
        if (outdated()) return this.#containers.remove(next);
        const view = await this.#running.replace(machine, next, how);
        if (machine.instanceId !== version)
            return this.#running.began(machine, next, view?.address);
        addEvent(machine, "start", "started", "flyd");
        if (view?.running !== true) {
            this.#records.setState(machine, "started");
            this.#ended(machine, view?.exit ?? lostExit());
            return;
        }
        this.#running.began(machine, next, view.address);
        if (machine.state === "stopping" || LEAVING.includes(machine.state)) return;
        this.#records.setState(machine, "started");
    }

    #ended(machine: MachineRecord, exit: Exit): void {
        this.#running.ended(machine);
        const next = afterExit(
            machine.config,
            exit,
            machine.restarts,
            this.#settings.restartBackoffMs,
        );
        addExit(machine, exit, { requestedStop: false, restarting: next.action === "restart" });
        if (next.action === "destroy") return this.destroy(machine, "flyd");
        if (next.action === "stop") return this.#records.setState(machine, "stopped");
        this.#records.setState(machine, "restarting");
        this.#restarts.plan(machine.id, next.delayMs, () => {
            machine.restarts = [...machine.restarts, Date.now()].slice(-100);
            addEvent(machine, "restart", "starting", "flyd", {
                restart_count: machine.restarts.length,
            });
            this.launch(machine);
        });
    }
}
