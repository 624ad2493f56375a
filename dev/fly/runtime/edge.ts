import { createServer } from "node:net";
import type { Server, Socket } from "node:net";
import type { Duplex } from "node:stream";
import type { PublicCa } from "../publicCa.ts";
import { portHolder } from "../portHolder.ts";
import type { Store } from "../state.ts";
import { HttpHandler } from "./edgeHttp.ts";
import { Routes } from "./edgeRoutes.ts";
import type { EdgeHooks, Reached } from "./edgeRoutes.ts";
import { terminate } from "./edgeTls.ts";
import type { TlsPort } from "./edgeTls.ts";
import { proxyHeader } from "./proxyProtocol.ts";

interface Place {
    ip: string;
    port: number;
}

/** An address and port to listen on, with the apps behind it; a shared address has several. */
interface Wanted extends Place {
    shared: boolean;
    ports: TlsPort[];
}

/** An address and port of an app that clients cannot reach. */
export interface Refused extends Place {
    reason: string;
}

const RETRY_LISTEN_MS = 500;

const MODELLED = ["tls", "http", "proxy_proto"];

/**
 * Fly's edge for TCP. Listens on every address of an app, at the external ports of its machines'
 * services; applies the port's handlers and pipes each connection to a started machine.
 */
export class Edge {
    readonly #routes: Routes;
    readonly #hooks: EdgeHooks;
    readonly #ca: PublicCa;
    readonly #http = new HttpHandler();
    readonly #listeners = new Map<string, Server>();
    /** Addresses that cannot be opened now; each is retried. */
    readonly #refused = new Map<string, Refused>();
    #retry: NodeJS.Timeout | undefined;
    /** Clients' sockets, below TLS, with the machine that each leads to. */
    readonly #sockets = new Map<Socket, string>();
    #closed = false;

    constructor(store: Store, ca: PublicCa, hooks: EdgeHooks) {
        this.#routes = new Routes(store, hooks);
        this.#ca = ca;
        this.#hooks = hooks;
    }

    /** Opens and closes listeners to match the apps' addresses and machines. */
    sync(): void {
        if (this.#closed) return;
        const wanted = this.#wanted();
        for (const [key, server] of this.#listeners) {
            if (wanted.has(key)) continue;
            server.close();
            this.#listeners.delete(key);
        }
        for (const key of this.#refused.keys()) if (!wanted.has(key)) this.#refused.delete(key);
        for (const [key, one] of wanted) {
            if (!this.#listeners.has(key)) this.#listen(key, one);
            // Issued now, to be ready for the first client.
            if (one.ports.some(({ entry }) => entry.handlers?.includes("tls"))) {
                this.#ca.certificate().catch((error: Error) => this.#hooks.log(String(error)));
            }
        }
    }

    /** Lists what is not served and why, such as a port that another program uses. */
    get refused(): Refused[] {
        return [...this.#refused.values()];
    }

    /** Closes the connections to a machine, as they break when a machine goes away. */
    drop(machine: string): void {
        for (const [socket, id] of this.#sockets) if (id === machine) socket.destroy();
    }

    close(): void {
        this.#closed = true;
        clearTimeout(this.#retry);
        for (const server of this.#listeners.values()) server.close();
        this.#listeners.clear();
        for (const socket of this.#sockets.keys()) socket.destroy();
    }

    #wanted(): Map<string, Wanted> {
        const wanted = new Map<string, Wanted>();
        for (const { ip, port, app, shared, entry } of this.#routes.all()) {
            const key = `${ip}:${port}`;
            const one = wanted.get(key) ?? { ip, port, shared, ports: [] };
            if (!one.ports.some((other) => other.app === app)) one.ports.push({ app, entry });
            wanted.set(key, one);
        }
        return wanted;
    }

    #listen(key: string, { ip, port }: Place): void {
        const server = createServer({ allowHalfOpen: true, noDelay: true }, (client) => {
            this.#sockets.set(client, "");
            client.on("error", () => client.destroy());
            client.once("close", () => this.#sockets.delete(client));
            this.#accept(client, key).catch((error: Error) => {
                this.#hooks.log(`edge: ${key}: ${error.message}`);
                client.destroy();
            });
        });
        this.#listeners.set(key, server);
        server.on("error", (error: NodeJS.ErrnoException) => {
            if (this.#listeners.get(key) === server) this.#listeners.delete(key);
            if (!this.#refused.has(key)) {
                this.#hooks.log(`edge: cannot listen on ${key}: ${error.message}`);
            }
            this.#refused.set(key, { ip, port, reason: reasonOf(error, ip, port) });
            this.#retry ??= setTimeout(() => {
                this.#retry = undefined;
                this.sync();
            }, RETRY_LISTEN_MS).unref();
        });
        server.once("listening", () => {
            if (this.#refused.delete(key)) this.#hooks.log(`edge: listens on ${key}`);
        });
        server.listen({ host: ip, port, backlog: 1024 });
    }

    async #accept(raw: Socket, key: string): Promise<void> {
        const found = this.#wanted().get(key);
        if (found === undefined) return void raw.destroy();
        const { port, shared, ports } = found;
        const unknown = ports.flatMap(({ entry }) =>
            (entry.handlers ?? []).filter((name) => !MODELLED.includes(name)),
        );
        if (unknown.length > 0) {
            this.#hooks.log(`edge: ${key} wants handlers that are not modelled: ${unknown.join()}`);
            return void raw.destroy();
        }
        const tls = ports.filter(({ entry }) => entry.handlers?.includes("tls"));
        let stream: Duplex = raw;
        let served = ports;
        if (tls.length > 0) {
            const secured = await terminate(raw, await this.#ca.certificate(), tls);
            if (secured === undefined) return void raw.destroy();
            stream = secured.stream;
            served = tls.filter(({ app }) => app === secured.app);
        }
        const reach = async (app: string) => {
            const reached = await this.#reach(raw, app, port);
            if (reached !== undefined) this.#sockets.set(raw, reached.machine.id);
            return reached;
        };
        if (served[0]?.entry.handlers?.includes("http") !== true) {
            const reached = await reach(served[0]!.app);
            if (reached === undefined) raw.destroy();
            else join(raw, stream, reached.upstream);
            return;
        }
        // On a shared address without TLS, the HTTP host name tells the app.
        const byHost = shared && tls.length === 0;
        this.#http.handle(stream, {
            raw,
            tls: tls.length > 0,
            port,
            reach,
            route: (host) => {
                const one = served.find(({ app }) => !byHost || host === `${app}.fly.dev`);
                return one && { app: one.app, forceHttps: one.entry.force_https === true };
            },
        });
    }

    /** Connects to a machine of the app and sends the header that the port requires. */
    async #reach(raw: Socket, app: string, port: number): Promise<Reached | undefined> {
        const wanted = () => !raw.destroyed && !this.#closed;
        const reached = await this.#routes.reach(app, port, wanted);
        if (reached === undefined) return undefined;
        if (!wanted()) {
            reached.upstream.destroy();
            return undefined;
        }
        const { handlers = [], proxy_proto_options: options } = reached.entry;
        if (handlers.includes("proxy_proto")) {
            reached.upstream.write(proxyHeader(raw, options?.version ?? "v1"));
        }
        return reached;
    }
}

function reasonOf({ code, message }: NodeJS.ErrnoException, ip: string, port: number): string {
    return code === "EADDRINUSE"
        ? `it is taken by ${portHolder(ip, port) ?? "another program"}`
        : message;
}

/** Pipes both ways. Each side may end on its own; an error on one breaks the other. */
function join(raw: Socket, client: Duplex, upstream: Socket): void {
    upstream.on("error", () => raw.destroy());
    client.once("close", () => {
        // A client that ended normally may have sent bytes that are still arriving.
        if (!upstream.writableEnded) upstream.destroy();
    });
    upstream.once("close", (hadError) => {
        if (hadError) raw.destroy();
    });
    client.pipe(upstream);
    upstream.pipe(client);
}
