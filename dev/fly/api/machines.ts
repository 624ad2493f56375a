import type { FastifyInstance, FastifyRequest } from "fastify";
import { privateAddress } from "../addresses.ts";
import {
    aborted,
    failedPrecondition,
    invalidArgument,
    nameInUse,
    preconditionFailed,
    rfc3339,
} from "../errors.ts";
import type { Fly } from "../fly.ts";
import { leaseNonce, machineId, machineName, ulid } from "../ids.ts";
import type { MachineConfig } from "../model/config.ts";
import { normalizeConfig } from "../model/normalize.ts";
import { own } from "../model/own.ts";
import type { AppRecord, MachineRecord, VolumeRecord } from "../model/records.ts";
import { isRegion, NEAREST } from "../model/regions.ts";
import {
    bodyOf,
    isTrue,
    optionalBoolean,
    optionalNumber,
    optionalString,
    queryNumber,
} from "../model/validate.ts";
import type { Body } from "../model/validate.ts";
import { machineBody, machinesOf, volumesOf } from "../model/wire.ts";
import { addEvent } from "../runtime/events.ts";
import { boundTo } from "../runtime/attachments.ts";
import { secretValues } from "../runtime/machineRecords.ts";
import { changeApp, changeMachine, findMachine, LEASE_OWNER, leaseEnd, readApp } from "./access.ts";

const NAME = /^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,62}$/;

/** Finds the volume that a mount names: by ID, or by name if it is unattached and in the region. */
function volumeFor(
    fly: Fly,
    config: MachineConfig,
    app: AppRecord,
    region: string,
): VolumeRecord | undefined {
    const mount = config.mounts?.[0];
    if (mount === undefined) return undefined;
    const there = volumesOf(fly.store.data, app.name).filter((one) => one.state === "created");
    const volume =
        mount.volume === undefined
            ? there.find(
                  (one) =>
                      one.name === mount.name &&
                      one.region === region &&
                      boundTo(fly.store.data, one) === undefined,
              )
            : there.find((one) => one.id === mount.volume);
    if (volume === undefined) {
        throw invalidArgument(`volume ${mount.volume ?? mount.name ?? ""} not found`);
    }
    if (volume.region !== region) {
        throw preconditionFailed(
            `insufficient resources to create new machine with existing volume '${volume.id}'`,
        );
    }
    return volume;
}

function checkSecretsVersion(body: Body, app: AppRecord): void {
    const wanted = optionalNumber(body, "min_secrets_version") ?? 0;
    if (wanted > app.secretsVersion) {
        throw failedPrecondition(
            `secrets version ${wanted} is not available, currently ${app.secretsVersion}`,
        );
    }
}

function takeLease(fly: Fly, machine: MachineRecord, ttl: number | undefined): void {
    if (ttl === undefined || ttl <= 0) return;
    machine.lease = {
        nonce: leaseNonce(),
        expires_at: leaseEnd(ttl, fly.settings),
        owner: LEASE_OWNER,
        description: "",
    };
}

/** Adds the lease's nonce, which only the creator of the machine gets. */
function withNonce(machine: MachineRecord, body: Body): object {
    const nonce = body.lease_ttl === undefined ? undefined : machine.lease?.nonce;
    return { ...machineBody(machine), ...(nonce === undefined ? {} : { nonce }) };
}

function listed(request: FastifyRequest): MachineRecord[] {
    const app = readApp(request);
    const query = request.query as Record<string, string | undefined>;
    const states = query.state?.split(",").filter((one) => one !== "");
    const metadata = Object.entries(query)
        .filter(([key]) => key.startsWith("metadata."))
        .map(([key, value]) => [key.slice("metadata.".length), value] as const);
    const deleted = query.include_deleted !== undefined && isTrue(query.include_deleted);
    return machinesOf(request.view, app.name)
        .filter((one) => deleted || one.state !== "destroyed")
        .filter((one) => query.region === undefined || one.region === query.region)
        .filter((one) => states === undefined || states.includes(one.state))
        .filter((one) =>
            metadata.every(([key, value]) => own(one.config.metadata ?? {}, key) === value),
        );
}

async function create(fly: Fly, request: FastifyRequest): Promise<object> {
    const app = changeApp(fly, request);
    const { data } = fly.store;
    const body = bodyOf(request.body);
    const config = normalizeConfig(body.config);
    const region = optionalString(body, "region") ?? NEAREST;
    if (!isRegion(region)) throw invalidArgument(`invalid region: ${region}`);
    const name = optionalString(body, "name") ?? machineName();
    if (!NAME.test(name)) throw invalidArgument(`invalid machine name: ${name}`);
    checkSecretsVersion(body, app);
    const image = await fly.images.resolve(config.image);
    // No awaits from here on, so that two requests cannot take the same name or volume.
    changeApp(fly, request);
    const holder = machinesOf(data, app.name).find(
        (one) =>
            one.name === name &&
            one.state !== "destroyed" &&
            !(one.unreachable && one.state === "destroying"),
    );
    if (holder !== undefined) throw nameInUse(holder.id, name);
    const volume = volumeFor(fly, config, app, region);
    const claimed = volume === undefined ? undefined : boundTo(data, volume);
    if (claimed !== undefined) {
        throw preconditionFailed(`volume already claimed by machine ${claimed}`);
    }
    const id = machineId();
    const now = Date.now();
    const version = ulid();
    const mount = config.mounts?.[0];
    if (volume !== undefined && mount !== undefined) {
        config.mounts = [
            {
                ...mount,
                volume: volume.id,
                name: volume.name,
                size_gb: volume.sizeGb,
                encrypted: volume.encrypted,
            },
        ];
    }
    const machine: MachineRecord = {
        id,
        app: app.name,
        name,
        region,
        state: "created",
        instanceId: version,
        config,
        image,
        privateIp: privateAddress(id),
        pinnedSecrets: secretValues(app),
        createdAt: rfc3339(now),
        updatedAt: rfc3339(now),
        events: [],
        checks: [],
        cordoned: optionalBoolean(body, "skip_service_registration") ?? false,
        versions: [{ version, user_config: config }],
        skipSecrets: optionalBoolean(body, "skip_secrets") ?? false,
        skipLaunch: optionalBoolean(body, "skip_launch") ?? false,
        restarts: [],
        changedAt: now,
    };
    addEvent(machine, "launch", "created", "user");
    takeLease(fly, machine, optionalNumber(body, "lease_ttl"));
    data.machines[id] = machine;
    if (volume !== undefined) {
        volume.machine = id;
        delete volume.boundUntil;
    }
    app.deployed = true;
    const answer = withNonce(machine, body);
    fly.edge.sync();
    if (!machine.skipLaunch) fly.machines.launch(machine);
    return answer;
}

async function update(fly: Fly, request: FastifyRequest): Promise<object> {
    const app = changeApp(fly, request);
    const before = changeMachine(fly, request);
    const body = bodyOf(request.body);
    const config = normalizeConfig(body.config);
    if (body.name !== undefined && body.name !== before.name && body.name !== "") {
        throw invalidArgument("machine name cannot be changed");
    }
    if (body.region !== undefined && body.region !== before.region && body.region !== "") {
        throw invalidArgument("machine region cannot be changed");
    }
    checkSecretsVersion(body, app);
    const image = await fly.images.resolve(config.image);
    const machine = changeMachine(fly, request);
    if (["destroying", "destroyed"].includes(machine.state)) {
        throw failedPrecondition(`unable to update machine from current state: '${machine.state}'`);
    }
    const current = optionalString(body, "current_version");
    if (current !== undefined && current !== machine.instanceId) {
        throw aborted("machine update failed due to concurrent update");
    }
    const volume = volumeFor(fly, config, app, machine.region);
    const attached = Object.values(fly.store.data.volumes).find(
        (one) => one.machine === machine.id,
    );
    if (volume?.id !== attached?.id) {
        throw invalidArgument("the volume of a machine cannot be changed by an update");
    }
    const mount = config.mounts?.[0];
    if (volume !== undefined && mount !== undefined) {
        config.mounts = [{ ...machine.config.mounts?.[0], ...mount, volume: volume.id }];
    }
    if (optionalBoolean(body, "skip_service_registration") === true) machine.cordoned = true;
    machine.skipSecrets = optionalBoolean(body, "skip_secrets") ?? false;
    takeLease(fly, machine, optionalNumber(body, "lease_ttl"));
    const skip = optionalBoolean(body, "skip_launch") ?? false;
    machine.skipLaunch = skip;
    fly.machines.update(machine, config, image, !skip);
    fly.edge.sync();
    return withNonce(machine, body);
}

export function machineRoutes(app: FastifyInstance, fly: Fly): void {
    const path = "/apps/:app/machines";
    const one = `${path}/:machine`;

    app.get(path, (request) => {
        const query = request.query as { summary?: string; include_leases?: string };
        const summary = query.summary !== undefined && isTrue(query.summary);
        const lease = query.include_leases !== undefined && isTrue(query.include_leases);
        return listed(request).map((machine) => machineBody(machine, { summary, lease }));
    });
    app.post(path, (request) => create(fly, request));
    app.get(one, (request) => machineBody(findMachine(request.view, request)));
    app.post(one, (request) => update(fly, request));
    app.get(`${one}/events`, (request) => {
        const { limit } = request.query as { limit?: string };
        const count = Math.min(queryNumber(limit, "limit") ?? 20, 50);
        return findMachine(request.view, request).events.slice(0, count);
    });
    app.get(`${one}/versions`, (request) => findMachine(request.view, request).versions);
}
