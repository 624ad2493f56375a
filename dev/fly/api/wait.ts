import type { FastifyInstance, FastifyRequest } from "fastify";
import { badRequest, deadlineExceeded, invalidArgument, notFound } from "../errors.ts";
import type { Fly } from "../fly.ts";
import { queryNumber } from "../model/validate.ts";
import { findMachine } from "./access.ts";

const MAX_WAIT_S = 60;
/** States that `settled` stands for. */
const SETTLED = ["started", "stopped", "suspended", "failed", "destroyed"];
const WAITABLE = ["started", "stopped", "suspended", "destroyed", "failed", "settled"];

/** Waits until the machine, or one version of it, reaches one of the wanted states. */
async function wait(fly: Fly, request: FastifyRequest): Promise<object> {
    findMachine(request.view, request);
    const machine = findMachine(fly.store.data, request);
    const query = request.query as Record<string, string | string[] | undefined>;
    const wanted = [query.state ?? "started"].flat().flatMap((one) => one.split(","));
    const unknown = wanted.find((one) => !WAITABLE.includes(one));
    if (unknown !== undefined) throw invalidArgument(`invalid state: ${unknown}`);
    const version = [query.version ?? query.instance_id].flat()[0];
    const from = [query.from_event_id].flat()[0];
    const { stoppedNeedsVersion: strict } = fly.settings;
    if (strict && wanted.includes("stopped") && wanted.length === 1 && !version && !from) {
        throw badRequest("instance_id is required when waiting for state stopped");
    }
    const timeout = queryNumber([query.timeout].flat()[0]?.replace(/s$/, ""), "timeout");
    const seconds = Math.min(timeout ?? MAX_WAIT_S, MAX_WAIT_S);
    const known = machine.versions.some((one) => one.version === version);
    if (version && !known) throw notFound("machine version");
    // An older version stays `replaced`, whatever the machine does now.
    const stateNow = () =>
        version && version !== machine.instanceId && machine.state !== "destroyed"
            ? "replaced"
            : machine.state;
    const reached = () => {
        const now = stateNow();
        const match = wanted.some((one) =>
            one === "settled" ? SETTLED.includes(now) : one === now,
        );
        const newer = from === undefined || (machine.events[0]?.id ?? "") > from;
        return match && newer ? now : undefined;
    };
    const state = await fly.machines.waiters.until(reached, seconds * 1000);
    if (state === undefined) throw deadlineExceeded(wanted.join(","), stateNow());
    return {
        ok: true,
        state,
        version: machine.instanceId,
        event_id: machine.events[0]?.id ?? "",
    };
}

export function waitRoutes(app: FastifyInstance, fly: Fly): void {
    app.get("/apps/:app/machines/:machine/wait", (request) => wait(fly, request));
}
