import { connect } from "node:net";
import type { Socket } from "node:net";
import type { Port, Service } from "../model/config.ts";
import type { IpRecord, MachineRecord } from "../model/records.ts";
import type { Store } from "../state.ts";
import { checksOf } from "./checks.ts";

/** Retry interval and time limit for a machine that is started but does not listen yet. */
const RETRY_MS = 100;
const RETRY_FOR_MS = 8000;
/** Time that a connection waits for a machine that was started for it. */
const AUTOSTART_MS = 30_000;
/** Soft limit of a service that sets none. It then has no hard limit. */
const SOFT_LIMIT = 20;

export interface EdgeHooks {
    /** Container address of a started machine. */
    address(machine: string): string | undefined;
    /** Starts a stopped machine for a connection. */
    autostart(machine: MachineRecord): void;
    log(text: string): void;
}

/** A machine's service that an external port leads to. */
export interface Target {
    machine: MachineRecord;
    service: Service;
    /** The entry of the service's `ports` with the external port. */
    entry: Port;
}

/** A connection to a machine. Counts as its service's load until it closes. */
export interface Reached extends Target {
    upstream: Socket;
}

/** Lists a service's external ports, each with its entry. */
function* portsOf(service: Service): Generator<[number, Port]> {
    for (const entry of service.ports ?? []) {
        const first = entry.port ?? entry.start_port ?? 0;
        const last = entry.port ?? entry.end_port ?? first;
        for (let port = first; port <= last; port++) yield [port, entry];
    }
}

/**
 * Whether an address can carry a port. A shared address finds the app by the name in TLS or HTTP, which
 * a raw port lacks.
 */
function carries(address: IpRecord, { handlers = [] }: Port): boolean {
    return !address.shared || handlers.includes("tls") || handlers.includes("http");
}

/** Chooses machines for an address and port, and connects to them. */
export class Routes {
    readonly #store: Store;
    readonly #hooks: EdgeHooks;
    /** Connections by machine and service: Fly's limits apply to each service of each machine. */
    readonly #load = new Map<string, number>();

    constructor(store: Store, hooks: EdgeHooks) {
        this.#store = store;
        this.#hooks = hooks;
    }

    /** Lists every address and port that leads somewhere, with the app's name and the port's entry. */
    *all(): Generator<{ ip: string; port: number; app: string; shared: boolean; entry: Port }> {
        for (const machine of Object.values(this.#store.data.machines)) {
            if (machine.state === "destroyed") continue;
            const addresses = this.#store.data.apps[machine.app]?.ips ?? [];
            for (const service of machine.config.services ?? []) {
                if (service.protocol !== "tcp") continue;
                for (const [port, entry] of portsOf(service)) {
                    for (const address of addresses) {
                        const { listen: ip, shared } = address;
                        if (ip === undefined || !carries(address, entry)) continue;
                        yield { ip, port, app: machine.app, shared, entry };
                    }
                }
            }
        }
    }

    targets(app: string, port: number): Target[] {
        const found: Target[] = [];
        for (const machine of Object.values(this.#store.data.machines)) {
            if (machine.app !== app || machine.cordoned) continue;
            for (const service of machine.config.services ?? []) {
                if (service.protocol !== "tcp") continue;
                for (const [one, entry] of portsOf(service)) {
                    if (one === port) found.push({ machine, service, entry });
                }
            }
        }
        return found;
    }

    /**
     * Connects to a machine, and retries while none answers.
     * @param wanted whether the client is still connected
     * @returns undefined when no machine can be reached
     */
    async reach(app: string, port: number, wanted: () => boolean): Promise<Reached | undefined> {
        const deadline = Date.now() + this.#patience(app, port);
        while (wanted() && Date.now() < deadline) {
            const target = this.#choose(this.targets(app, port));
            const upstream = target && (await this.#connect(target));
            if (target && upstream) return { ...target, upstream };
            await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
        }
        return undefined;
    }

    /** How long (ms) a client may wait. Starts a machine for it if the service allows that. */
    #patience(app: string, port: number): number {
        const targets = this.targets(app, port);
        if (this.#choose(targets) !== undefined) return RETRY_FOR_MS;
        const asleep = targets.find(
            ({ machine, service }) =>
                ["stopped", "suspended"].includes(machine.state) && service.autostart !== false,
        );
        if (asleep !== undefined) this.#hooks.autostart(asleep.machine);
        const coming = targets.some(({ machine }) =>
            ["starting", "restarting", "replacing", "created"].includes(machine.state),
        );
        return asleep !== undefined || coming ? AUTOSTART_MS : 0;
    }

    /**
     * Chooses among started, healthy machines below their hard limit: first those below the soft limit,
     * then the least loaded.
     */
    #choose(targets: readonly Target[]): Target | undefined {
        const open = targets.filter((target) => {
            const { machine, service } = target;
            if (machine.state !== "started") return false;
            if ((this.#hooks.address(machine.id) ?? "") === "") return false;
            const limit = service.concurrency?.hard_limit;
            if (limit !== undefined && this.#loadOf(target) >= limit) return false;
            return checksOf(machine.config)
                .filter((one) => machine.config.services?.[one.service ?? -1] === service)
                .every((one) =>
                    machine.checks.some(
                        (check) => check.name === one.name && check.status === "passing",
                    ),
                );
        });
        const full = (target: Target) =>
            this.#loadOf(target) >= (target.service.concurrency?.soft_limit ?? SOFT_LIMIT);
        return open.sort(
            (a, b) => Number(full(a)) - Number(full(b)) || this.#loadOf(a) - this.#loadOf(b),
        )[0];
    }

    #connect(target: Target): Promise<Socket | undefined> {
        const { machine, service } = target;
        this.#count(target, 1);
        const upstream = connect({
            host: this.#hooks.address(machine.id) ?? "",
            port: service.internal_port,
            allowHalfOpen: true,
            noDelay: true,
        });
        upstream.once("close", () => this.#count(target, -1));
        return new Promise((resolve) => {
            const failed = () => resolve(undefined);
            upstream.once("error", failed);
            upstream.once("connect", () => {
                upstream.off("error", failed);
                upstream.on("error", () => upstream.destroy());
                resolve(upstream);
            });
        });
    }

    #loadOf(target: Target): number {
        return this.#load.get(keyOf(target)) ?? 0;
    }

    #count(target: Target, change: 1 | -1): void {
        const load = this.#loadOf(target) + change;
        if (load > 0) this.#load.set(keyOf(target), load);
        else this.#load.delete(keyOf(target));
    }
}

function keyOf({ machine, service }: Target): string {
    return `${machine.id}:${service.internal_port}`;
}
