/** A real HTTP server with scripted answers, for behaviour that no correct Fly has. */
import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";

export interface Call {
    readonly method: string;
    readonly path: string;
    readonly query: URLSearchParams;
    readonly headers: IncomingMessage["headers"];
    readonly body: unknown;
}

/** An answer; or a closed connection, with or without half an answer; or silence. */
export type Answer =
    | {
          readonly status?: number;
          /** An object is sent as JSON, a string unchanged. */
          readonly body?: unknown;
          readonly headers?: Record<string, string>;
      }
    | "reset"
    | "half"
    | "silence";

export interface ScriptedServer {
    readonly endpoint: string;
    /** All requests so far. */
    readonly calls: Call[];
    /** One line per request: `POST /v1/apps`. */
    lines(): string[];
    close(): Promise<void>;
}

/** @param script gets the request and how many of this method and path preceded it */
export async function startScriptedServer(
    script: (call: Call, nth: number) => Answer | Promise<Answer>,
): Promise<ScriptedServer> {
    const calls: Call[] = [];
    const server = createServer((request, response) => {
        void (async () => {
            const chunks: Buffer[] = [];
            for await (const chunk of request) {
                chunks.push(chunk as Buffer);
            }
            const text = Buffer.concat(chunks).toString();
            const url = new URL(request.url ?? "/", "http://localhost");
            const call: Call = {
                method: request.method ?? "",
                path: url.pathname,
                query: url.searchParams,
                headers: request.headers,
                body: text === "" ? undefined : (JSON.parse(text) as unknown),
            };
            const nth = calls.filter(
                ({ method, path }) => method === call.method && path === call.path,
            ).length;
            calls.push(call);
            const answer = await script(call, nth);
            if (answer === "silence") {
                return;
            }
            if (answer === "reset") {
                request.socket.destroy();
                return;
            }
            if (answer === "half") {
                response.writeHead(200, { "content-length": "100" });
                response.write('{"id":');
                setImmediate(() => request.socket.destroy());
                return;
            }
            const { status = 200, body = {}, headers = {} } = answer;
            const isText = typeof body === "string";
            response.writeHead(status, {
                "content-type": isText ? "text/plain" : "application/json",
                ...headers,
            });
            response.end(isText ? body : JSON.stringify(body));
        })();
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const { port } = server.address() as AddressInfo;
    return {
        endpoint: `http://127.0.0.1:${port}`,
        calls,
        lines: () => calls.map(({ method, path }) => `${method} ${path}`),
        close: () =>
            new Promise((resolve) => {
                server.close(() => resolve());
                server.closeAllConnections();
            }),
    };
}
