import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { badRequest, failedPrecondition, notFound } from "../errors.ts";
import type { Fly } from "../fly.ts";
import { own } from "../model/own.ts";
import { bodyOf, optionalString } from "../model/validate.ts";
import { changeMachine, findMachine } from "./access.ts";

/** Routes of a machine's metadata, which change without a restart or a new version. */
export function metadataRoutes(app: FastifyInstance, fly: Fly): void {
    const path = "/apps/:app/machines/:machine/metadata";
    const keyOf = (request: FastifyRequest) => (request.params as { key: string }).key;

    app.get(path, (request) => findMachine(request.view, request).config.metadata ?? {});

    const merge = (replace: boolean) => (request: FastifyRequest, reply: FastifyReply) => {
        const machine = changeMachine(fly, request);
        const body = bodyOf(request.body);
        const version = optionalString(body, "machine_version");
        if (version !== undefined && version !== machine.instanceId) {
            throw failedPrecondition("machine version does not match");
        }
        const given = Object.entries(bodyOf(body.metadata));
        if (body.metadata === undefined) throw badRequest("metadata is required");
        let next: Record<string, string> = replace ? {} : { ...machine.config.metadata };
        for (const [key, value] of given) {
            // null and the empty string remove a key.
            if (value === null || value === "") delete next[key];
            else if (typeof value === "string") next = { ...next, [key]: value };
            else throw badRequest(`metadata ${key} must be a string`);
        }
        machine.config.metadata = next;
        return reply.code(204).send();
    };
    app.put(path, merge(true));
    app.patch(path, merge(false));

    app.get(`${path}/:key`, (request) => {
        const { metadata = {} } = findMachine(request.view, request).config;
        const value = own(metadata, keyOf(request));
        if (value === undefined) throw notFound("metadata key");
        return { value };
    });

    app.post(`${path}/:key`, (request, reply) => {
        const machine = changeMachine(fly, request);
        const { value } = bodyOf(request.body);
        if (typeof value !== "string") throw badRequest("value is required");
        machine.config.metadata = { ...machine.config.metadata, [keyOf(request)]: value };
        return reply.code(204).send();
    });

    app.delete(`${path}/:key`, (request, reply) => {
        const machine = changeMachine(fly, request);
        const rest = { ...machine.config.metadata };
        delete rest[keyOf(request)];
        machine.config.metadata = rest;
        return reply.code(204).send();
    });
}
