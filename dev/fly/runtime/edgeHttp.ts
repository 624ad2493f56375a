import { randomBytes } from "node:crypto";
import { createServer, request as ask, STATUS_CODES } from "node:http";
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import type { Reached } from "./edgeRoutes.ts";

/** A connection whose requests are to be forwarded. */
export interface HttpConnection {
    /** The client's socket, below TLS. */
    raw: Socket;
    tls: boolean;
    port: number;
    /** Finds the app for a request's host name, and whether it requires HTTPS. */
    route(host: string): { app: string; forceHttps: boolean } | undefined;
    reach(app: string): Promise<Reached | undefined>;
}

/** Region that the edge claims to be in. */
const REGION = "lhr";
/** Hop-by-hop headers (RFC 9110, 7.6.1). */
const HOP_BY_HOP = ["connection", "keep-alive", "proxy-connection"];

/** Fly's `http` handler: forwards HTTP/1.1 requests, and connections upgraded from them, to machines. */
export class HttpHandler {
    readonly #server: Server;
    readonly #connections = new WeakMap<Duplex, HttpConnection>();

    constructor() {
        this.#server = createServer((request, response) => void this.#pass(request, response));
        this.#server.on("upgrade", (request: IncomingMessage, client: Duplex, head: Buffer) => {
            void this.#upgrade(request, client, head);
        });
    }

    /** Takes over a client's decrypted connection. */
    handle(stream: Duplex, connection: HttpConnection): void {
        this.#connections.set(stream, connection);
        this.#server.emit("connection", stream);
    }

    async #pass(request: IncomingMessage, response: ServerResponse): Promise<void> {
        const connection = this.#connections.get(request.socket)!;
        const refuse = (status: number, headers: Record<string, string> = {}) => {
            if (response.headersSent) response.destroy();
            else response.writeHead(status, { ...headers, "content-length": "0" }).end();
        };
        const decided = await this.#decide(request, connection);
        if ("status" in decided) return refuse(decided.status, decided.headers);
        const { upstream } = decided;
        const passed = ask({
            createConnection: () => upstream,
            method: request.method,
            path: request.url,
            headers: without(headersFor(request, connection), HOP_BY_HOP),
        });
        passed.on("error", () => refuse(502));
        passed.on("response", (answer) => {
            const headers = without(answer.headers, HOP_BY_HOP);
            response.writeHead(answer.statusCode ?? 502, { ...headers, via: "1.1 fly.io" });
            answer.on("error", () => response.destroy());
            answer.pipe(response);
        });
        response.once("close", () => upstream.destroy());
        request.pipe(passed);
    }

    async #upgrade(request: IncomingMessage, client: Duplex, head: Buffer): Promise<void> {
        client.on("error", () => client.destroy());
        const connection = this.#connections.get(client)!;
        const refuse = (status: number, headers: Record<string, string> = {}) => {
            const lines = { ...headers, "content-length": "0", connection: "close" };
            client.end(headOf(status, lines));
        };
        const decided = await this.#decide(request, connection);
        if ("status" in decided) return refuse(decided.status, decided.headers);
        const { upstream } = decided;
        client.once("close", () => upstream.destroy());
        const passed = ask({
            createConnection: () => upstream,
            method: request.method,
            path: request.url,
            headers: headersFor(request, connection),
        });
        passed.on("error", () => refuse(502));
        passed.on("upgrade", (answer: IncomingMessage, _socket: Socket, rest: Buffer) => {
            client.write(
                headOf(answer.statusCode ?? 101, { ...answer.headers, via: "1.1 fly.io" }),
            );
            client.write(rest);
            upstream.write(head);
            upstream.once("close", () => client.destroy());
            client.pipe(upstream);
            upstream.pipe(client);
        });
        passed.on("response", (answer) => {
            const headers = without(answer.headers, [...HOP_BY_HOP, "transfer-encoding"]);
            client.write(headOf(answer.statusCode ?? 502, { ...headers, connection: "close" }));
            answer.on("error", () => client.destroy());
            answer.pipe(client);
        });
        passed.end();
    }

    /** Connects to a machine, or decides which error to answer with. */
    async #decide(
        request: IncomingMessage,
        connection: HttpConnection,
    ): Promise<Reached | { status: number; headers?: Record<string, string> }> {
        const host = (request.headers.host ?? "").replace(/:\d+$/, "").toLowerCase();
        const route = connection.route(host);
        if (route === undefined) return { status: 404 };
        if (route.forceHttps && !connection.tls) {
            return { status: 301, headers: { location: `https://${host}${request.url}` } };
        }
        return (await connection.reach(route.app)) ?? { status: 503 };
    }
}

type Headers = Record<string, string | string[] | undefined>;

/** Adds Fly's headers to the client's. */
function headersFor(request: IncomingMessage, { raw, tls, port }: HttpConnection): Headers {
    const client = plain(raw.remoteAddress);
    const before = request.headers["x-forwarded-for"];
    return {
        ...request.headers,
        "fly-client-ip": client,
        "fly-forwarded-port": String(port),
        "fly-region": REGION,
        "fly-request-id": randomBytes(13).toString("hex").toUpperCase(),
        "x-forwarded-for": [before, client, plain(raw.localAddress)].filter(Boolean).join(", "),
        "x-forwarded-port": request.headers["x-forwarded-port"] ?? String(port),
        "x-forwarded-proto": tls ? "https" : "http",
        "x-forwarded-ssl": tls ? "on" : "off",
        via: "1.1 fly.io",
    };
}

function plain(address = ""): string {
    return address.replace(/^::ffff:/, "");
}

function without(headers: Headers, names: readonly string[]): Headers {
    return Object.fromEntries(Object.entries(headers).filter(([name]) => !names.includes(name)));
}

function headOf(status: number, headers: Headers): string {
    const lines = Object.entries(headers).flatMap(([name, value]) =>
        [value ?? []].flat().map((one) => `${name}: ${one}`),
    );
    return [`HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ""}`, ...lines, "", ""].join("\r\n");
}
