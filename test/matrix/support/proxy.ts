/** Sits between the providers and the local Fly, and kills a run at any call. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { buffer } from "node:stream/consumers";
import { setTimeout as sleep } from "node:timers/promises";

/** When, during a call, its run is killed. */
export const MOMENTS = ["before", "applied", "answered"] as const;
export type Moment = (typeof MOMENTS)[number];

/** A call by its kind, and its number among the run's calls of that kind: `POST /v1/apps/:app/machines #1`. */
export type CallName = string;

/** Point at which a run is killed; the caller kills it, since the proxy does not know processes. */
export interface Trap {
    readonly call: CallName;
    readonly moment: Moment;
    /** Nothing that the run does from now on reaches the state. */
    freeze(): void;
    kill(): void;
}

/** Time after which the provider has read its answer and continued. */
const WENT_ON_MS = 200;

export class Proxy {
    readonly #server: Server;
    readonly #upstream: string;
    #counts = new Map<string, number>();
    #trap: Trap | undefined;
    /** From the trap's moment on, nothing from the run reaches Fly: what it has done by then is exact. */
    #dead = false;
    readonly #underWay = new Set<Promise<unknown>>();
    /** In order of arrival. */
    calls: CallName[] = [];

    private constructor(upstream: string) {
        this.#upstream = upstream;
        this.#server = createServer((request, response) => {
            const work = this.#serve(request, response).catch(() => response.destroy());
            this.#underWay.add(work);
            void work.finally(() => this.#underWay.delete(work));
        });
    }

    static async start(upstream: string): Promise<Proxy> {
        const proxy = new Proxy(upstream);
        await new Promise<void>((resolve) => proxy.#server.listen(0, "127.0.0.1", resolve));
        return proxy;
    }

    get url(): string {
        return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
    }

    /** Calls are counted anew from here on. */
    begin(trap?: Trap): void {
        this.#counts = new Map();
        this.calls = [];
        this.#trap = trap;
        this.#dead = false;
    }

    /** Requests on their way to Fly when the run died arrive there. */
    async settled(): Promise<void> {
        await Promise.all(this.#underWay);
    }

    close(): void {
        this.#server.close();
        this.#server.closeAllConnections();
    }

    #name(request: IncomingMessage): CallName {
        const url = new URL(request.url ?? "/", this.url);
        const path = url.pathname
            .replace(/(?<=\/apps\/)[^/]+/, ":app")
            .replace(/(?<=\/machines\/)[^/]+/, ":machine")
            .replace(/(?<=\/volumes\/)[^/]+/, ":volume")
            .replace(/(?<=\/ip_assignments\/)[^/]+/, ":ip");
        const state = url.searchParams.get("state");
        const kind = `${request.method} ${path}${state === null ? "" : `?state=${state}`}`;
        const count = (this.#counts.get(kind) ?? 0) + 1;
        this.#counts.set(kind, count);
        return `${kind} #${count}`;
    }

    async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
        const body = await buffer(request);
        if (this.#dead) return void response.destroy();
        const name = this.#name(request);
        this.calls.push(name);
        const trap = this.#trap?.call === name ? this.#trap : undefined;
        if (trap?.moment === "before") return this.#kill(trap, response);
        const answer = await this.#forward(request, body);
        if (trap?.moment === "applied") return this.#kill(trap, response);
        if (this.#dead) return void response.destroy();
        if (trap) {
            trap.freeze();
            this.#dead = true;
        }
        response.writeHead(answer.status, Object.fromEntries(answer.headers));
        response.end(Buffer.from(await answer.arrayBuffer()));
        if (trap) {
            await sleep(WENT_ON_MS);
            this.#kill(trap, response);
        }
    }

    #kill(trap: Trap, response: ServerResponse): void {
        this.#dead = true;
        trap.kill();
        response.destroy();
    }

    async #forward(request: IncomingMessage, body: Buffer): Promise<Response> {
        const headers = new Headers();
        for (const [name, value] of Object.entries(request.headers)) {
            if (["host", "connection", "content-length"].includes(name)) continue;
            headers.set(name, String(value));
        }
        return await fetch(this.#upstream + request.url, {
            method: request.method ?? "GET",
            headers,
            ...(body.length > 0 && { body }),
        });
    }
}
