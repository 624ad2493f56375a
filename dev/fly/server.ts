import { Readable } from "node:stream";
import fastify from "fastify";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { authenticate } from "./auth.ts";
import type { Caller } from "./auth.ts";
import { FlyError, tooManyRequests, unauthorized } from "./errors.ts";
import type { ActiveRule } from "./faults.ts";
import type { Fly } from "./fly.ts";
import { parseJson } from "./jsonBodies.ts";
import { ulid } from "./ids.ts";
import type { LocalState } from "./model/records.ts";
import { NEAREST } from "./model/regions.ts";
import { adminRoutes } from "./api/admin.ts";
import { appRoutes } from "./api/apps.ts";
import { certificateRoutes } from "./api/certificates.ts";
import { hostRoutes } from "./api/hosts.ts";
import { ipRoutes } from "./api/ips.ts";
import { leaseRoutes } from "./api/leases.ts";
import { lifecycleRoutes } from "./api/lifecycle.ts";
import { logRoutes } from "./api/logs.ts";
import { machineRoutes } from "./api/machines.ts";
import { metadataRoutes } from "./api/metadata.ts";
import { organizationRoutes } from "./api/organizations.ts";
import { platformRoutes } from "./api/platform.ts";
import { processRoutes } from "./api/processes.ts";
import { secretRoutes } from "./api/secrets.ts";
import { volumeRoutes } from "./api/volumes.ts";
import { waitRoutes } from "./api/wait.ts";

declare module "fastify" {
    interface FastifyRequest {
        /** State that this request reads: the current one, or an earlier one for a stale read. */
        view: LocalState;
        caller: Caller;
        fault: ActiveRule | undefined;
        startedAt: number;
    }
}

const MUTATING = ["POST", "PUT", "PATCH", "DELETE"];
/** Largest body. Fly's own limit is unknown; the largest in use is a machine with its files. */
const MAX_BODY_BYTES = 32 * 1024 * 1024;

function pathOf(request: FastifyRequest): string {
    return request.url.split("?")[0] ?? "";
}

function sleep(ms: number): Promise<void> {
    return new Promise((resolve) => setTimeout(resolve, ms));
}

/** Cuts the connection without an answer, as a crashed peer or a broken network does. */
function drop(request: FastifyRequest, reply: FastifyReply): void {
    reply.hijack();
    request.raw.socket.destroy();
}

async function beforeFault(request: FastifyRequest, reply: FastifyReply): Promise<void> {
    const action = request.fault?.action;
    if (action?.type === "delay") await sleep(action.ms);
    if (action?.type === "drop-before") drop(request, reply);
    if (action?.type === "status") {
        for (const [name, value] of Object.entries(action.headers ?? {})) {
            reply.header(name, value);
        }
        const body = action.body ?? { error: `injected fault ${action.status}` };
        if (typeof body === "string" && reply.getHeader("content-type") === undefined) {
            reply.type("text/html");
        }
        await reply.code(action.status).send(body);
    }
}

/** Sends the head of a complete answer, and a body that breaks off half way. */
function cutInHalf(reply: FastifyReply, payload: unknown): Readable {
    const body = Buffer.from(typeof payload === "string" ? payload : "{}");
    reply.header("content-length", body.length);
    let sent = false;
    return new Readable({
        read() {
            if (!sent) this.push(body.subarray(0, Math.floor(body.length / 2)));
            else setImmediate(() => this.destroy(new Error("injected fault: answer cut")));
            sent = true;
        },
    });
}

async function afterFault(
    request: FastifyRequest,
    reply: FastifyReply,
    payload: unknown,
): Promise<unknown> {
    const action = request.fault?.action;
    if (action?.type === "delay-after") await sleep(action.ms);
    if (action?.type === "drop-after") request.raw.socket.destroy();
    return action?.type === "cut" ? cutInHalf(reply, payload) : payload;
}

/**
 * Whether a request is within the rate limits. Reads of one machine have their own limit; other requests
 * count per route and, if the path has one, ID.
 */
function withinLimit(fly: Fly, request: FastifyRequest): boolean {
    const params = request.params as { app?: string; machine?: string };
    const id = params.machine ?? params.app;
    if (id === undefined) return true;
    const route = request.routeOptions.url ?? "";
    const isRead = request.method === "GET" && route.endsWith("/machines/:machine");
    const action = isRead ? "GET machine" : `${request.method} ${route}`;
    return fly.limits.take(action, id);
}

function v1(app: FastifyInstance, fly: Fly): void {
    app.addHook("onRequest", async (request, reply) => {
        request.fault = fly.faults.match(request.method, pathOf(request));
        await beforeFault(request, reply);
        if (reply.sent) return reply;
        const open = request.method === "GET" && pathOf(request) === "/v1/platform/regions";
        const caller = authenticate(fly.store.data, request.headers.authorization);
        if (caller === undefined && !open) throw unauthorized();
        request.caller = caller ?? {};
        if (fly.settings.rateLimit && !withinLimit(fly, request)) throw tooManyRequests();
    });
    app.addHook("preHandler", (request, _reply, done) => {
        request.view = fly.store.data;
        if (MUTATING.includes(request.method)) {
            if (fly.faults.wantsHistory || fly.settings.consistencyLagMs > 0) {
                fly.replicas.keep(fly.store.data);
            }
        } else if (request.fault?.action.type === "stale") {
            request.view = fly.replicas.beforeLastWrite() ?? fly.store.data;
        } else if (fly.settings.consistencyLagMs > 0) {
            request.view = fly.replicas.lagging(fly.settings.consistencyLagMs) ?? fly.store.data;
        }
        done();
    });
    // Saved before the answer, so that what was answered survives a kill right after it.
    app.addHook("onSend", async (request, reply, payload) => {
        if (MUTATING.includes(request.method)) await fly.store.save();
        return afterFault(request, reply, payload);
    });
    platformRoutes(app);
    organizationRoutes(app);
    appRoutes(app, fly);
    ipRoutes(app, fly);
    secretRoutes(app, fly);
    volumeRoutes(app, fly);
    machineRoutes(app, fly);
    lifecycleRoutes(app, fly);
    waitRoutes(app, fly);
    processRoutes(app, fly);
    leaseRoutes(app, fly);
    metadataRoutes(app, fly);
    certificateRoutes(app, fly);
}

/** Fly's other API, at api.fly.io. Only the machines' logs are simulated. */
function logs(app: FastifyInstance, fly: Fly): void {
    app.addHook("onRequest", (request, _reply, done) => {
        const caller = authenticate(fly.store.data, request.headers.authorization);
        request.caller = caller ?? {};
        request.view = fly.store.data;
        done(caller === undefined ? unauthorized() : undefined);
    });
    logRoutes(app, fly);
}

function local(app: FastifyInstance, fly: Fly): void {
    app.addHook("onRequest", (request, _reply, done) => {
        const caller = authenticate(fly.store.data, request.headers.authorization);
        done(caller === undefined || caller.app !== undefined ? unauthorized() : undefined);
    });
    adminRoutes(app, fly);
    hostRoutes(app, fly);
}

function remember(fly: Fly, request: FastifyRequest, reply: FastifyReply): void {
    const fault = request.fault;
    const cut = fault?.action.type === "drop-before" || fault?.action.type === "drop-after";
    fly.journal.add({
        method: request.method,
        path: request.url,
        status: reply.raw.headersSent && !cut ? reply.raw.statusCode : 0,
        ms: Date.now() - request.startedAt,
        requestId: request.id,
        ...(fault === undefined ? {} : { fault: fault.name ?? `${fault.id}:${fault.action.type}` }),
    });
}

/** Builds the HTTP server of the Machines API (`/v1`) and of the local Fly's own routes (`/_local`). */
export function buildServer(fly: Fly): FastifyInstance {
    const app = fastify({
        logger: false,
        bodyLimit: MAX_BODY_BYTES,
        exposeHeadRoutes: false,
        forceCloseConnections: true,
        genReqId: () => `${ulid()}-${NEAREST}`,
    });
    parseJson(app);
    app.addHook("onRequest", (request, reply, done) => {
        request.startedAt = Date.now();
        request.fault = undefined;
        reply.header("fly-request-id", request.id);
        // Also reached when the connection was cut without an answer.
        reply.raw.once("close", () => remember(fly, request, reply));
        done();
    });
    // Comes before authentication, and also handles known paths with an unknown method.
    app.setNotFoundHandler((_request, reply) =>
        reply.code(404).type("text/plain; charset=utf-8").send("404 page not found\n"),
    );
    app.setErrorHandler((error: unknown, request, reply) => {
        if (error instanceof FlyError) return reply.code(error.statusCode).send(error.body);
        const status = (error as { statusCode?: number }).statusCode ?? 500;
        const text = error instanceof Error ? error.message : String(error);
        if (status >= 500) fly.journal.note(`error ${request.id} ${text}`);
        return reply.code(status).send({ error: status >= 500 ? `internal: ${text}` : text });
    });
    app.register(
        (scope, _options, done) => {
            v1(scope, fly);
            done();
        },
        { prefix: "/v1" },
    );
    app.register(
        (scope, _options, done) => {
            logs(scope, fly);
            done();
        },
        { prefix: "/api/v1" },
    );
    app.register(
        (scope, _options, done) => {
            local(scope, fly);
            done();
        },
        { prefix: "/_local" },
    );
    return app;
}
