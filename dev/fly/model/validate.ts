import { badRequest, invalidArgument } from "../errors.ts";
import { parseDuration } from "../durations.ts";

export type Body = Record<string, unknown>;

/**
 * Reads a request's body.
 * @throws 400 unless it is a JSON object
 */
export function bodyOf(value: unknown): Body {
    if (value === undefined || value === null) return {};
    if (typeof value !== "object" || Array.isArray(value)) {
        throw badRequest("invalid request body, expected a JSON object");
    }
    return value as Body;
}

function wrong(key: string, expected: string): Error {
    return invalidArgument(`invalid ${key}, expected ${expected}`);
}

export function optionalString(body: Body, key: string): string | undefined {
    const value = body[key];
    if (value === undefined || value === null || value === "") return undefined;
    if (typeof value !== "string") throw wrong(key, "a string");
    return value;
}

export function requiredString(body: Body, key: string): string {
    const value = optionalString(body, key);
    if (value === undefined) throw badRequest(`${key} is required`);
    return value;
}

export function optionalNumber(body: Body, key: string): number | undefined {
    const value = body[key];
    if (value === undefined || value === null) return undefined;
    if (typeof value !== "number" || !Number.isFinite(value)) throw wrong(key, "a number");
    return value;
}

export function optionalBoolean(body: Body, key: string): boolean | undefined {
    const value = body[key];
    if (value === undefined || value === null) return undefined;
    if (typeof value !== "boolean") throw wrong(key, "a boolean");
    return value;
}

/** Reads a whole number from a query string. */
export function queryNumber(value: unknown, key: string): number | undefined {
    if (value === undefined || value === "") return undefined;
    const number = Number(value);
    if (!Number.isInteger(number) || number < 0) throw wrong(key, "a whole number");
    return number;
}

/**
 * Reads a Go duration or a number of seconds, as query strings and stop requests have it.
 * @returns milliseconds
 */
export function querySpan(value: unknown, key: string): number | undefined {
    if (value === undefined || value === null || value === "" || value === 0) return undefined;
    if (typeof value === "number") return value * 1000;
    if (typeof value === "string" && /^\d+$/.test(value)) return Number(value) * 1000;
    const span = parseDuration(value);
    if (span === undefined) throw wrong(key, "a duration");
    return span;
}

export function isTrue(value: unknown): boolean {
    return value === "true" || value === "1" || value === "";
}
