import { connect, createServer } from "node:net";
import type { Server, Socket } from "node:net";
import type { Service } from "../model/config.ts";
import type { MachineRecord } from "../model/records.ts";
import type { Store } from "../state.ts";
import { checksOf } from "./checks.ts";
import { proxyHeader } from "./proxy-protocol.ts";

/** How often and how long the edge tries a machine that is started but does not listen yet. */
const RETRY_MS = 100;
const RETRY_FOR_MS = 8000;
/** How long a connection waits for a machine that was started on its behalf. */
const AUTOSTART_MS = 30_000;

interface Target {
    machine: MachineRecord;
    service: Service;
    port: number;
    handlers: string[];
    proxyVersion: string;
}

interface Listener {
    server: Server;
    app: string;
    port: number;
}

export interface EdgeHooks {
    /** The container address of a started machine. */
    address(machine: string): string | undefined;
    /** Starts a stopped machine because a connection came for it. */
    autostart(machine: MachineRecord): void;
    log(text: string): void;
}

/** Ports of a service that reach `internal_port`, each with its handlers. */
function* portsOf(service: Service): Generator<[number, string[], string]> {
    for (const one of service.ports ?? []) {
        const first = one.port ?? one.start_port ?? 0;
        const last = one.port ?? one.end_port ?? first;
        const version = one.proxy_proto_options?.version ?? "v1";
        for (let port = first; port <= last; port++) yield [port, one.handlers ?? [], version];
    }
}

/**
 * Fly's edge for TCP: every address of an app listens on the external ports of its machines'
 * services and pipes each connection to a started machine.
 */
export class Edge {
    readonly #store: Store;
    readonly #hooks: EdgeHooks;
    readonly #listeners = new Map<string, Listener>();
    readonly #refused = new Set<string>();
    readonly #sockets = new Map<Socket, string>();
    readonly #load = new Map<string, number>();
    #closed = false;

    constructor(store: Store, hooks: EdgeHooks) {
        this.#store = store;
        this.#hooks = hooks;
    }

    /** Opens and closes listeners so that they match the apps' addresses and machines. */
    sync(): void {
        if (this.#closed) return;
        const wanted = new Map<string, { ip: string; port: number; app: string }>();
        for (const machine of Object.values(this.#store.data.machines)) {
            if (machine.state === "destroyed") continue;
            const app = this.#store.data.apps[machine.app];
            for (const service of machine.config.services ?? []) {
                if (service.protocol !== "tcp") continue;
                for (const [port, handlers] of portsOf(service)) {
                    for (const address of app?.ips ?? []) {
                        // A shared address routes by SNI or HTTP host only, never a raw port.
                        if (address.listen === undefined) continue;
                        if (address.shared && handlers.length === 0) continue;
                        const key = `${address.listen}:${port}`;
                        wanted.set(key, { ip: address.listen, port, app: machine.app });
                    }
                }
            }
        }
        for (const [key, listener] of this.#listeners) {
            if (wanted.has(key)) continue;
            listener.server.close();
            this.#listeners.delete(key);
        }
        for (const [key, { ip, port, app }] of wanted) {
            if (!this.#listeners.has(key)) this.#listen(key, ip, port, app);
        }
    }

    /** Closes the connections that lead to a machine, as they break when a machine goes away. */
    drop(machine: string): void {
        for (const [socket, id] of this.#sockets) if (id === machine) socket.destroy();
    }

    close(): void {
        this.#closed = true;
        for (const listener of this.#listeners.values()) listener.server.close();
        this.#listeners.clear();
        for (const socket of this.#sockets.keys()) socket.destroy();
    }

    #listen(key: string, ip: string, port: number, app: string): void {
        const server = createServer({ allowHalfOpen: true, noDelay: true }, (client) => {
            this.#accept(client, app, port);
        });
        const listener: Listener = { server, app, port };
        this.#listeners.set(key, listener);
        server.on("error", (error: NodeJS.ErrnoException) => {
            if (this.#listeners.get(key) === listener) this.#listeners.delete(key);
            if (this.#refused.has(key)) return;
            this.#refused.add(key);
            this.#hooks.log(`edge: cannot listen on ${key} for ${app}: ${error.message}`);
        });
        server.listen({ host: ip, port, backlog: 1024 });
    }

    #targets(app: string, port: number): Target[] {
        const found: Target[] = [];
        for (const machine of Object.values(this.#store.data.machines)) {
            if (machine.app !== app || machine.cordoned) continue;
            for (const service of machine.config.services ?? []) {
                if (service.protocol !== "tcp") continue;
                for (const [one, handlers, proxyVersion] of portsOf(service)) {
                    if (one === port) {
                        found.push({ machine, service, port, handlers, proxyVersion });
                    }
                }
            }
        }
        return found;
    }

    /** Started, healthy, below its hard limit, and of those the least loaded. */
    #choose(targets: readonly Target[]): Target | undefined {
        const open = targets.filter(({ machine, service }) => {
            if (machine.state !== "started") return false;
            if ((this.#hooks.address(machine.id) ?? "") === "") return false;
            const limit = service.concurrency?.hard_limit;
            if (limit !== undefined && this.#loadOf(machine.id) >= limit) return false;
            return checksOf(machine.config)
                .filter((one) => machine.config.services?.[one.service ?? -1] === service)
                .every((one) =>
                    machine.checks.some(
                        (check) => check.name === one.name && check.status === "passing",
                    ),
                );
        });
        return open.sort((a, b) => this.#loadOf(a.machine.id) - this.#loadOf(b.machine.id))[0];
    }

    #loadOf(machine: string): number {
        return this.#load.get(machine) ?? 0;
    }

    #count(machine: string, change: 1 | -1): void {
        const load = this.#loadOf(machine) + change;
        if (load > 0) this.#load.set(machine, load);
        else this.#load.delete(machine);
    }

    #accept(client: Socket, app: string, port: number): void {
        this.#sockets.set(client, "");
        client.on("error", () => client.destroy());
        client.once("close", () => this.#sockets.delete(client));
        const targets = this.#targets(app, port);
        if (this.#choose(targets) === undefined) {
            const asleep = targets.find(
                ({ machine, service }) =>
                    ["stopped", "suspended"].includes(machine.state) && service.autostart !== false,
            );
            const coming = targets.some(({ machine }) =>
                ["starting", "restarting", "replacing", "created"].includes(machine.state),
            );
            if (asleep === undefined && !coming) {
                client.destroy();
                return;
            }
            if (asleep !== undefined) this.#hooks.autostart(asleep.machine);
            this.#dial(client, app, port, Date.now() + AUTOSTART_MS);
            return;
        }
        this.#dial(client, app, port, Date.now() + RETRY_FOR_MS);
    }

    /** Connects to a machine, trying again while none answers, until `deadline`. */
    #dial(client: Socket, app: string, port: number, deadline: number): void {
        if (client.destroyed || this.#closed) return;
        const again = () => {
            if (Date.now() >= deadline) client.destroy();
            else setTimeout(() => this.#dial(client, app, port, deadline), RETRY_MS);
        };
        const target = this.#choose(this.#targets(app, port));
        if (target === undefined) return again();
        if (target.handlers.some((handler) => handler !== "proxy_proto")) {
            this.#hooks.log(`edge: ${app}:${port} wants handlers that are not modelled`);
            client.destroy();
            return;
        }
        const { machine, service } = target;
        this.#count(machine.id, 1);
        const upstream = connect({
            host: this.#hooks.address(machine.id) ?? "",
            port: service.internal_port,
            allowHalfOpen: true,
            noDelay: true,
        });
        const failed = () => {
            this.#count(machine.id, -1);
            again();
        };
        upstream.once("error", failed);
        upstream.once("connect", () => {
            upstream.off("error", failed);
            this.#join(client, upstream, target);
        });
    }

    #join(client: Socket, upstream: Socket, target: Target): void {
        const id = target.machine.id;
        if (client.destroyed) {
            this.#count(id, -1);
            upstream.destroy();
            return;
        }
        this.#sockets.set(client, id);
        if (target.handlers.includes("proxy_proto")) {
            upstream.write(proxyHeader(client, target.proxyVersion));
        }
        upstream.on("error", () => client.destroy());
        client.once("close", () => {
            this.#count(id, -1);
            // A client that ended in order may leave bytes that are still on their way in.
            if (!upstream.writableEnded) upstream.destroy();
        });
        upstream.once("close", (hadError) => {
            if (hadError) client.destroy();
        });
        client.pipe(upstream);
        upstream.pipe(client);
    }
}
