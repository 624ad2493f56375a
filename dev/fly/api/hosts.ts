import type { FastifyInstance } from "fastify";
import { notFound } from "../errors.ts";
import type { Fly } from "../fly.ts";
import { own } from "../model/own.ts";
import { bodyOf, optionalBoolean, requiredString } from "../model/validate.ts";

/**
 * Simulates a lost host: `PUT /_local/hosts {"volume","reachable"}` loses the host of a volume and its
 * machine, or brings it back.
 */
export function hostRoutes(app: FastifyInstance, fly: Fly): void {
    const { volumes, machines } = fly.store.data;

    app.put("/hosts", async (request, reply) => {
        const body = bodyOf(request.body);
        const volume = own(volumes, requiredString(body, "volume"));
        if (volume === undefined) throw notFound("volume");
        const reachable = optionalBoolean(body, "reachable") ?? false;
        if (reachable) delete volume.unreachable;
        else volume.unreachable = true;
        const machine = volume.machine === undefined ? undefined : own(machines, volume.machine);
        if (machine !== undefined && machine.state !== "destroyed") {
            if (reachable) fly.machines.regain(machine);
            else fly.machines.lose(machine);
        }
        fly.edge.sync();
        await fly.store.save();
        return reply.code(204).send();
    });
}
