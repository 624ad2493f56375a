import type { FastifyInstance, FastifyRequest } from "fastify";
import { failedPrecondition } from "../errors.ts";
import type { Fly } from "../fly.ts";
import { signalName } from "../model/normalize.ts";
import { bodyOf, isTrue, querySpan } from "../model/validate.ts";
import type { Body } from "../model/validate.ts";
import { changeMachine, notLeasedByOthers } from "./access.ts";

/** Reads a stop's or restart's options from the body or the query string. */
function stopOptions(request: FastifyRequest): { signal?: string; timeoutMs?: number } {
    const from = { ...(request.query as Body), ...bodyOf(request.body) };
    const timeoutMs = querySpan(from.timeout, "timeout");
    const signal = from.signal;
    return {
        ...(signal === undefined || signal === "" ? {} : { signal: signalName(signal) }),
        ...(timeoutMs === undefined ? {} : { timeoutMs }),
    };
}

function start(fly: Fly, request: FastifyRequest): object {
    const machine = changeMachine(fly, request);
    const previous = machine.state;
    const ok = { previous_state: previous, migrated: false, new_host: "" };
    switch (previous) {
        case "started":
        case "starting":
            return ok;
        case "created":
            if (!machine.skipLaunch) break;
            fly.machines.start(machine, "user");
            return ok;
        case "stopped":
        case "suspended":
        case "failed":
            fly.machines.start(machine, "user");
            return ok;
        case "replacing":
            throw failedPrecondition("machine getting replaced, refusing to start");
        case "stopping":
        case "restarting":
            throw failedPrecondition("machine still active, refusing to start");
        case "destroying":
        case "destroyed":
    }
    throw failedPrecondition(`unable to start machine from current state: '${previous}'`);
}

function stop(fly: Fly, request: FastifyRequest): object {
    const machine = changeMachine(fly, request);
    const options = stopOptions(request);
    if (["stopped", "stopping", "suspended"].includes(machine.state)) return { ok: true };
    if (!["started", "starting", "restarting", "replacing"].includes(machine.state)) {
        throw failedPrecondition(`unable to stop machine from current state: '${machine.state}'`);
    }
    fly.machines.stop(machine, options);
    return { ok: true };
}

function restart(fly: Fly, request: FastifyRequest): object {
    const machine = changeMachine(fly, request);
    const options = stopOptions(request);
    const { force_stop: force } = request.query as { force_stop?: string };
    if (!["started", "stopped", "failed", "suspended"].includes(machine.state)) {
        throw failedPrecondition(
            `unable to restart machine from current state: '${machine.state}'`,
        );
    }
    fly.machines.restart(
        machine,
        force !== undefined && isTrue(force) ? { signal: "SIGKILL" } : options,
    );
    return { ok: true };
}

function destroy(fly: Fly, request: FastifyRequest): object {
    const machine = notLeasedByOthers(fly, request);
    const query = request.query as { force?: string; kill?: string };
    const forced = [query.force, query.kill].some((one) => one !== undefined && isTrue(one));
    if (["destroying", "destroyed"].includes(machine.state)) return { ok: true };
    if (!forced && !["stopped", "suspended", "failed", "created"].includes(machine.state)) {
        throw failedPrecondition(
            "unable to destroy machine, not currently stopped, suspended, failed or created",
        );
    }
    delete machine.lease;
    fly.machines.destroy(machine);
    return { ok: true };
}

function cordon(fly: Fly, request: FastifyRequest, cordoned: boolean): object {
    changeMachine(fly, request).cordoned = cordoned;
    return { ok: true };
}

/** Routes that act on an existing machine: start, stop, restart, cordon, destroy. */
export function lifecycleRoutes(app: FastifyInstance, fly: Fly): void {
    const path = "/apps/:app/machines/:machine";
    app.delete(path, (request) => destroy(fly, request));
    app.post(`${path}/start`, (request) => start(fly, request));
    app.post(`${path}/stop`, (request) => stop(fly, request));
    app.post(`${path}/restart`, (request) => restart(fly, request));
    app.post(`${path}/cordon`, (request) => cordon(fly, request, true));
    app.post(`${path}/uncordon`, (request) => cordon(fly, request, false));
}
