import type { FastifyInstance } from "fastify";
import { randomInt } from "node:crypto";
import { parseDuration } from "../durations.ts";
import { badRequest, forbidden, nameTaken, notFound, unprocessable } from "../errors.ts";
import type { Fly } from "../fly.ts";
import { appId, deployToken } from "../ids.ts";
import { own } from "../model/own.ts";
import type { AppRecord } from "../model/records.ts";
import { bodyOf, isTrue, optionalString, requiredString } from "../model/validate.ts";
import { appBody, machinesOf, volumesOf } from "../model/wire.ts";
import { OWN_ORGANIZATION } from "../state.ts";
import { changeApp, organizationSlug, readApp } from "./access.ts";

/** App names become host names: lowercase letters, digits and inner dashes, at most 63 characters. */
const NAME = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/;
const DEPLOY_TOKEN_MS = 20 * 365 * 24 * 3_600_000;

export function newApp(name: string, organization: string, network = "default"): AppRecord {
    return {
        id: appId(),
        numericId: randomInt(1_000_000, 9_999_999),
        name,
        organization,
        network,
        deployed: false,
        createdAt: Date.now(),
        secretsVersion: 0,
        secrets: {},
        ips: [],
        certificates: [],
    };
}

/** Deletes everything that an app owns: machines, addresses, certificates, secrets, volumes. */
async function cascade(fly: Fly, name: string): Promise<void> {
    const { data } = fly.store;
    for (const machine of machinesOf(data, name)) {
        if (machine.state !== "destroyed" && machine.state !== "destroying") {
            fly.machines.destroy(machine);
        }
    }
    const gone = () =>
        machinesOf(data, name).every((one) => one.state === "destroyed") ? true : undefined;
    await fly.machines.waiters.until(gone, 120_000);
    await new Promise((resolve) => setTimeout(resolve, fly.settings.appDeleteMs));
    for (const volume of volumesOf(data, name)) {
        await fly.volumes.remove(volume.id);
        delete data.volumes[volume.id];
    }
    for (const snapshot of Object.values(data.snapshots)) {
        if (snapshot.app !== name) continue;
        await fly.volumes.removeSnapshot(snapshot.id);
        delete data.snapshots[snapshot.id];
    }
    for (const machine of machinesOf(data, name)) delete data.machines[machine.id];
    data.deployTokens = data.deployTokens.filter((token) => token.app !== name);
    delete data.apps[name];
    fly.edge.sync();
    await fly.store.save();
}

/** Deletes an app in the background. Can be repeated safely, also after a restart. */
export function deleteApp(fly: Fly, app: AppRecord): void {
    app.deleting = true;
    void cascade(fly, app.name).catch((error: unknown) => {
        fly.journal.note(`deleting app ${app.name} failed: ${String(error)}`);
    });
}

export function appRoutes(app: FastifyInstance, fly: Fly): void {
    const { data } = fly.store;

    app.get("/apps", (request) => {
        const { org_slug: slug } = request.query as { org_slug?: string };
        if (slug === undefined || slug === "") throw badRequest("org_slug is required");
        const organization = organizationSlug(slug);
        if (organization !== OWN_ORGANIZATION.slug) throw notFound("organization");
        const apps = Object.values(request.view.apps).filter(
            (one) => one.organization === organization,
        );
        return { total_apps: apps.length, apps: apps.map((one) => appBody(request.view, one)) };
    });

    app.post("/apps", (request, reply) => {
        if (request.caller.app !== undefined) throw forbidden();
        const body = bodyOf(request.body);
        const name = requiredString(body, "name");
        const slug = organizationSlug(requiredString(body, "org_slug"));
        if (slug !== OWN_ORGANIZATION.slug) throw notFound("organization");
        if (!NAME.test(name)) {
            throw unprocessable(
                "Validation failed: Name may only contain numbers, lowercase letters and dashes",
                "unknown",
            );
        }
        if (own(data.apps, name) !== undefined) throw nameTaken();
        const made = newApp(name, slug, optionalString(body, "network"));
        data.apps[name] = made;
        return reply.code(201).send({ ...appBody(data, made), created_at: made.createdAt });
    });

    app.get("/apps/:app", (request) => appBody(request.view, readApp(request)));

    app.delete("/apps/:app", (request, reply) => {
        const found = changeApp(fly, request);
        const { force } = request.query as { force?: string };
        const busy = machinesOf(data, found.name).some((one) =>
            ["started", "starting", "restarting", "replacing", "stopping"].includes(one.state),
        );
        if (busy && force !== undefined && !isTrue(force)) {
            throw badRequest("app has running machines, stop them or use force");
        }
        deleteApp(fly, found);
        return reply.code(202).send();
    });

    app.post("/apps/:app/deploy_token", (request) => {
        const found = changeApp(fly, request);
        const body = bodyOf(request.body);
        const expiry = optionalString(body, "expiry");
        const life = expiry === undefined ? DEPLOY_TOKEN_MS : parseDuration(expiry);
        if (life === undefined) throw badRequest("invalid expiry");
        const token = deployToken();
        data.deployTokens.push({ token, app: found.name, expiresAt: Date.now() + life });
        return { token };
    });
}
