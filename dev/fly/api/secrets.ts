import type { FastifyInstance } from "fastify";
import { createHash } from "node:crypto";
import { badRequest, invalidArgument, notFound, rfc3339 } from "../errors.ts";
import type { Fly } from "../fly.ts";
import { own } from "../model/own.ts";
import type { AppRecord, SecretRecord } from "../model/records.ts";
import { bodyOf, isTrue, queryNumber } from "../model/validate.ts";
import { changeApp, readApp } from "./access.ts";

/** Secret names, which become names of environment variables. */
const NAME = /^[A-Za-z_][A-Za-z0-9_]*$/;

/** Shortens a digest to 16 digits, as Fly does. The value is never shown. */
function digestOf(value: string): string {
    return createHash("sha256").update(value).digest("hex").slice(0, 16);
}

function secretBody(name: string, secret: SecretRecord, show: boolean): Record<string, unknown> {
    const { digest, created_at, updated_at, value } = secret;
    return { name, digest, created_at, updated_at, ...(show ? { value } : {}) };
}

function put(app: AppRecord, name: string, value: string): SecretRecord {
    if (!NAME.test(name)) throw invalidArgument(`invalid secret name: ${name}`);
    const now = rfc3339(Date.now());
    const secret: SecretRecord = {
        value,
        digest: digestOf(value),
        created_at: own(app.secrets, name)?.created_at ?? now,
        updated_at: now,
    };
    // Spread, since an assignment to `__proto__` would create no entry.
    app.secrets = { ...app.secrets, [name]: secret };
    return secret;
}

function listed(app: AppRecord, show: boolean): Record<string, unknown>[] {
    return Object.entries(app.secrets)
        .sort(([a], [b]) => a.localeCompare(b))
        .map(([name, secret]) => secretBody(name, secret, show));
}

/** Returns the version, also under its deprecated name, which Fly still sends. */
function versions(app: AppRecord): { version: number; Version: number } {
    return { version: app.secretsVersion, Version: app.secretsVersion };
}

/** Routes of an app's secrets: strings, and a version that every change increments. */
export function secretRoutes(app: FastifyInstance, fly: Fly): void {
    const path = "/apps/:app/secrets";

    app.get(path, (request) => {
        const found = readApp(request);
        const query = request.query as Record<string, string | undefined>;
        const wanted = queryNumber(query.min_version ?? query.version, "min_version") ?? 0;
        if (wanted > found.secretsVersion) {
            throw invalidArgument(
                `secrets version ${wanted} is not available, currently ${found.secretsVersion}`,
            );
        }
        const show = query.show_secrets !== undefined && isTrue(query.show_secrets);
        return { secrets: listed(found, show) };
    });

    app.post(path, (request) => {
        const found = changeApp(fly, request);
        const { values } = bodyOf(request.body);
        if (typeof values !== "object" || values === null || Array.isArray(values)) {
            throw badRequest("values is required");
        }
        const changes = Object.entries(values as Record<string, unknown>);
        for (const [name, value] of changes) {
            if (value !== null && typeof value !== "string") {
                throw invalidArgument(`invalid value of secret ${name}, expected a string`);
            }
            if (!NAME.test(name)) throw invalidArgument(`invalid secret name: ${name}`);
        }
        for (const [name, value] of changes) {
            if (value === null) delete found.secrets[name];
            else put(found, name, value as string);
        }
        found.secretsVersion++;
        return { secrets: listed(found, false), ...versions(found) };
    });

    app.get(`${path}/:secret`, (request) => {
        const found = readApp(request);
        const { secret: name } = request.params as { secret: string };
        const query = request.query as { show_secrets?: string };
        const secret = own(found.secrets, name);
        if (secret === undefined) throw notFound("secret");
        const show = query.show_secrets !== undefined && isTrue(query.show_secrets);
        return secretBody(name, secret, show);
    });

    app.post(`${path}/:secret`, (request, reply) => {
        const found = changeApp(fly, request);
        const { secret: name } = request.params as { secret: string };
        const { value } = bodyOf(request.body);
        if (typeof value !== "string") throw badRequest("value is required");
        const secret = put(found, name, value);
        found.secretsVersion++;
        return reply.code(201).send({ ...secretBody(name, secret, false), ...versions(found) });
    });

    app.delete(`${path}/:secret`, (request) => {
        const found = changeApp(fly, request);
        const { secret: name } = request.params as { secret: string };
        if (own(found.secrets, name) === undefined) throw notFound("secret");
        delete found.secrets[name];
        found.secretsVersion++;
        return versions(found);
    });
}
