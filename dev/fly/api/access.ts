import type { FastifyRequest } from "fastify";
import { forbidden, hostUnreachable, leaseHeld, notFound } from "../errors.ts";
import { OWN_ORGANIZATION } from "../state.ts";
import type { AppRecord, LocalState, MachineRecord, VolumeRecord } from "../model/records.ts";
import type { Fly } from "../fly.ts";
import type { Settings } from "../settings.ts";
import { own } from "../model/own.ts";

export interface AppParams {
    app: string;
}

export interface MachineParams extends AppParams {
    machine: string;
}

/** Lease owner as Fly reports it: the address that its tokens act under. */
export const LEASE_OWNER = "local@tokens.fly.io";

/** Resolves the alias `personal`; any other slug stays as it is. */
export function organizationSlug(slug: string): string {
    return slug === "personal" ? OWN_ORGANIZATION.slug : slug;
}

/**
 * Finds an app that the caller may see.
 * @throws 404 when there is none, 403 when it belongs to someone else
 */
function findApp(state: LocalState, request: FastifyRequest): AppRecord {
    const { app: name } = request.params as AppParams;
    const app = own(state.apps, name);
    if (app === undefined) throw notFound("app");
    const foreign = app.organization !== OWN_ORGANIZATION.slug;
    const other = request.caller.app !== undefined && request.caller.app !== name;
    if (foreign || other) throw forbidden();
    return app;
}

/** Finds an app in the state that this request reads, which may be a stale one. */
export function readApp(request: FastifyRequest): AppRecord {
    return findApp(request.view, request);
}

/**
 * Finds an app in the current state, to change it.
 * @throws 404 also while it is being deleted
 */
export function changeApp(fly: Fly, request: FastifyRequest): AppRecord {
    const app = findApp(fly.store.data, request);
    if (app.deleting) throw notFound("app");
    return app;
}

export function findMachine(state: LocalState, request: FastifyRequest): MachineRecord {
    const app = findApp(state, request);
    const { machine: id } = request.params as MachineParams;
    const machine = own(state.machines, id);
    if (machine === undefined || machine.app !== app.name) throw notFound("machine");
    return machine;
}

/** End of a lease requested now, in seconds since 1970. */
export function leaseEnd(seconds: number, { leaseMaxS }: Settings): number {
    const given = leaseMaxS === 0 ? seconds : Math.min(seconds, leaseMaxS);
    return Math.floor(Date.now() / 1000) + given;
}

/** Finds the lease in force and drops an expired one. */
export function activeLease(machine: MachineRecord): MachineRecord["lease"] {
    if (machine.lease !== undefined && machine.lease.expires_at * 1000 <= Date.now()) {
        delete machine.lease;
    }
    return machine.lease;
}

export function nonceOf(request: FastifyRequest): string | undefined {
    const header = request.headers["fly-machine-lease-nonce"];
    const nonce = Array.isArray(header) ? header[0] : header;
    return nonce === "" ? undefined : nonce;
}

/**
 * Finds a machine that the caller may change now.
 * @throws 412 when its host is lost, 409 when someone else holds its lease
 */
export function changeMachine(fly: Fly, request: FastifyRequest): MachineRecord {
    if (findMachine(fly.store.data, request).unreachable) throw hostUnreachable();
    return notLeasedByOthers(fly, request);
}

/**
 * Finds a machine whose lease nobody else holds; its host may be lost.
 * @throws 409 when someone else holds its lease
 */
export function notLeasedByOthers(fly: Fly, request: FastifyRequest): MachineRecord {
    const machine = findMachine(fly.store.data, request);
    const lease = activeLease(machine);
    if (lease !== undefined && lease.nonce !== nonceOf(request)) {
        throw leaseHeld(machine.id, lease.owner, lease.expires_at);
    }
    return machine;
}

export function findVolume(state: LocalState, request: FastifyRequest): VolumeRecord {
    const app = findApp(state, request);
    const { volume: id } = request.params as { volume: string };
    const volume = own(state.volumes, id);
    if (volume === undefined || volume.app !== app.name) throw notFound("volume");
    return volume;
}
