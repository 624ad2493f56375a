import { Agent, createServer, request } from "node:http";
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import { basicPassword } from "../auth.ts";

export interface FrontDecision {
    status: number;
    code: string;
    message: string;
}

export interface FrontHooks {
    isToken(token: string | undefined): boolean;
    /** Reason to refuse an app's repository; undefined if allowed. */
    refuse(app: string, token: string): FrontDecision | undefined;
    log(method: string, path: string, status: number): void;
}

function deny(response: ServerResponse, decision: FrontDecision): void {
    const { code, message } = decision;
    response.writeHead(decision.status, {
        "content-type": "application/json",
        "docker-distribution-api-version": "registry/2.0",
        ...(decision.status === 401
            ? { "www-authenticate": 'Basic realm="https://registry.fly.io"' }
            : {}),
    });
    response.end(JSON.stringify({ errors: [{ code, message, detail: null }] }));
}

const FORM = /^(application\/x-www-form-urlencoded|multipart\/form-data)/i;

/** Paths that the registry can only read as they are: no host in front, escapes, empty parts, `.` or `..`. */
const PLAIN = /^\/v2(\/(?!\.\.?(\/|$))[\w.:+-]+)*\/?$/;

/** Finds the app of a registry path: the first part of the repository's name. */
function appOf(path: string): string {
    return /^\/v2\/([^/]+)/.exec(path)?.[1] ?? "";
}

/**
 * Guards the registry's public port: requires user `x` and the token as password, refuses repositories
 * without an app, and forwards everything else unchanged.
 */
export function registryFront(socket: string, hooks: FrontHooks): Server {
    // One connection a request: the registry may be closing an idle one. The front closes it, since the
    // registry would close before everything is written (EPIPE).
    const agent = new Agent({ keepAlive: false, maxSockets: 16 });
    const handle = (incoming: IncomingMessage, response: ServerResponse) => {
        const method = incoming.method ?? "GET";
        const url = incoming.url ?? "/";
        const path = url.split("?")[0] ?? "";
        let trouble = "";
        response.once("close", () => {
            hooks.log(method, path + trouble, response.statusCode);
        });
        const token = basicPassword(incoming.headers.authorization);
        const refused =
            token === undefined || !hooks.isToken(token)
                ? { status: 401, code: "UNAUTHORIZED", message: "authentication required" }
                : PLAIN.test(path)
                  ? hooks.refuse(appOf(path), token)
                  : { status: 400, code: "NAME_INVALID", message: "invalid repository name" };
        if (refused !== undefined) {
            incoming.resume();
            deny(response, refused);
            return;
        }
        // Without the query, a layer of a repository that the token may not read is uploaded instead of mounted.
        const from = new URLSearchParams(url.slice(path.length)).getAll("from");
        const mayMount = from.every((one) => !hooks.refuse(appOf(`/v2/${one}`), token!));
        const target = mayMount ? url : path;
        const headers = { ...incoming.headers, connection: "keep-alive" };
        delete headers.authorization;
        // The registry would also take `from` out of a form.
        if (FORM.test(headers["content-type"] ?? "")) delete headers["content-type"];
        const upstream = request(
            { socketPath: socket, agent, method, path: target, headers },
            (answer) => {
                response.writeHead(answer.statusCode ?? 502, answer.headers);
                answer.pipe(response);
                answer.on("error", () => response.destroy());
            },
        );
        upstream.on("error", (error) => {
            trouble = ` (${error.message})`;
            if (response.headersSent) response.destroy();
            else deny(response, { status: 502, code: "UNKNOWN", message: "registry is gone" });
        });
        incoming.on("error", () => upstream.destroy());
        response.on("close", () => {
            if (!response.writableFinished) upstream.destroy();
        });
        incoming.pipe(upstream);
    };
    const server = createServer(handle);
    server.once("close", () => agent.destroy());
    return server;
}
