import type { FastifyInstance, FastifyRequest } from "fastify";
import { invalidArgument, notFound } from "../errors.ts";
import type { Fly } from "../fly.ts";
import { leaseNonce } from "../ids.ts";
import type { MachineRecord } from "../model/records.ts";
import { bodyOf, optionalNumber, optionalString, queryNumber } from "../model/validate.ts";
import {
    activeLease,
    findMachine,
    LEASE_OWNER,
    leaseEnd,
    nonceOf,
    notLeasedByOthers,
} from "./access.ts";

/** Duration of a lease requested without one. */
const DEFAULT_TTL_S = 120;

/** Wraps a lease in an envelope as the live API does, contrary to the specification. */
function envelope(machine: MachineRecord): object {
    return { status: "success", data: { ...machine.lease, version: machine.instanceId } };
}

function ttlOf(request: FastifyRequest): number {
    const query = request.query as { ttl?: string };
    const ttl = queryNumber(query.ttl, "ttl") ?? optionalNumber(bodyOf(request.body), "ttl");
    if (ttl !== undefined && (!Number.isInteger(ttl) || ttl < 0)) {
        throw invalidArgument("invalid ttl, expected a number of seconds");
    }
    return ttl === undefined || ttl === 0 ? DEFAULT_TTL_S : ttl;
}

/**
 * Routes of leases. A lease keeps everyone else from changing a machine until it is released or
 * expires.
 */
export function leaseRoutes(app: FastifyInstance, fly: Fly): void {
    const path = "/apps/:app/machines/:machine/lease";

    app.get(path, (request) => {
        const machine = findMachine(request.view, request);
        if (activeLease(machine) === undefined) throw notFound("lease");
        return envelope(machine);
    });

    app.post(path, (request, reply) => {
        const ttl = ttlOf(request);
        const machine = notLeasedByOthers(fly, request);
        // An expired lease cannot be refreshed: someone else may have changed the machine since.
        if (nonceOf(request) !== undefined && machine.lease === undefined) {
            throw notFound("lease");
        }
        machine.lease = {
            nonce: machine.lease?.nonce ?? leaseNonce(),
            expires_at: leaseEnd(ttl, fly.settings),
            owner: LEASE_OWNER,
            description:
                optionalString(bodyOf(request.body), "description") ??
                machine.lease?.description ??
                "",
        };
        return reply.code(201).send(envelope(machine));
    });

    app.delete(path, (request) => {
        const machine = notLeasedByOthers(fly, request);
        if (machine.lease === undefined) throw notFound("lease");
        delete machine.lease;
        return { status: "success", data: { ok: true } };
    });
}
