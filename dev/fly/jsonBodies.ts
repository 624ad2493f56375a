import type { FastifyInstance } from "fastify";
import { FlyError } from "./errors.ts";

/** Values within values that a body may have; the deepest in use has about ten. */
const MAX_DEPTH = 100;

/** Parses bodies as JSON, whatever type they claim. */
export function parseJson(app: FastifyInstance): void {
    app.removeAllContentTypeParsers();
    app.addContentTypeParser("*", { parseAs: "string" }, (_request, text, done) => {
        if (text === "") return done(null, undefined);
        try {
            const body = JSON.parse(text as string) as unknown;
            if (!isDeep(body)) return done(null, body);
        } catch {
            // Answered below.
        }
        done(new FlyError(400, "invalid request body, expected JSON"));
    });
}

/** Whether a value is nested so deeply that reading or saving it could exhaust the stack. */
function isDeep(value: unknown, left = MAX_DEPTH): boolean {
    if (typeof value !== "object" || value === null) return false;
    return left === 0 || Object.values(value).some((one) => isDeep(one, left - 1));
}
