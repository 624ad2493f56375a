import type { FastifyInstance } from "fastify";
import { badRequest } from "../errors.ts";
import type { FaultRule } from "../faults.ts";
import type { Fly } from "../fly.ts";
import { own } from "../model/own.ts";
import { bodyOf, queryNumber, requiredString } from "../model/validate.ts";
import { changeSettings } from "../settings.ts";
import { summarize } from "../status.ts";
import { newApp } from "./apps.ts";

function refused(error: unknown): Error {
    return badRequest(error instanceof Error ? error.message : String(error));
}

/**
 * Routes that Fly does not have: faults, settings, the journal of requests, apps of other
 * organisations.
 */
export function adminRoutes(app: FastifyInstance, fly: Fly): void {
    const { data } = fly.store;

    app.get("/state", () => ({
        apps: summarize(data),
        settings: fly.settings,
        volumeKind: fly.volumes.kind,
        refused: fly.edge.refused,
    }));

    app.get("/settings", () => fly.settings);
    app.put("/settings", (request) => {
        try {
            changeSettings(fly.settings, bodyOf(request.body));
        } catch (error) {
            throw refused(error);
        }
        if (fly.settings.consistencyLagMs === 0) fly.replicas.clear();
        return fly.settings;
    });

    app.get("/faults", () => ({ rules: fly.faults.rules }));
    app.post("/faults", (request, reply) => {
        const { rules } = bodyOf(request.body);
        try {
            const added = fly.faults.add(Array.isArray(rules) ? (rules as FaultRule[]) : []);
            return reply.code(201).send({ rules: added });
        } catch (error) {
            throw refused(error);
        }
    });
    app.delete("/faults", (_request, reply) => {
        fly.faults.clear();
        return reply.code(204).send();
    });

    app.get("/journal", (request) => {
        const { since } = request.query as { since?: string };
        return { entries: fly.journal.since(queryNumber(since, "since") ?? 0) };
    });
    app.delete("/journal", (_request, reply) => {
        fly.journal.clear();
        return reply.code(204).send();
    });

    app.post("/apps", async (request, reply) => {
        const body = bodyOf(request.body);
        const name = requiredString(body, "name");
        const organization = requiredString(body, "organization");
        if (own(data.apps, name) !== undefined) throw badRequest(`app ${name} exists`);
        if (!data.organizations.some((one) => one.slug === organization)) {
            const numericId = data.organizations.length + 1;
            data.organizations.push({ slug: organization, name: organization, numericId });
        }
        data.apps[name] = newApp(name, organization);
        await fly.store.save();
        return reply.code(201).send({ name, organization });
    });
    app.delete("/apps/:app", async (request, reply) => {
        delete data.apps[(request.params as { app: string }).app];
        await fly.store.save();
        return reply.code(204).send();
    });
}
