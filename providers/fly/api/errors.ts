/** Error of a failed request: the request, Fly's answer, and what to do. */
import { visible, visibleLine } from "../../../lib/visible.ts";

export interface FlyErrorParts {
    readonly method: string;
    /** From `/v1` on, without the query. */
    readonly path: string;
    /** HTTP status; 0 where there was no answer. */
    readonly status: number;
    /** Fly's own code, such as `name_taken` or `insufficient_capacity`. */
    readonly flyStatus?: string | undefined;
    /** Fly's text, or the network's, without secrets. */
    readonly text: string;
    readonly requestId?: string | undefined;
    /** Fly may have carried out the request: the answer does not tell. */
    readonly ambiguous?: boolean | undefined;
    /** `Retry-After`, in milliseconds. */
    readonly retryAfterMs?: number | undefined;
    /** Network error code, such as ECONNREFUSED. */
    readonly code?: string | undefined;
    readonly cause?: unknown;
}

export class FlyError extends Error {
    readonly method: string;
    readonly path: string;
    readonly status: number;
    readonly flyStatus: string | undefined;
    readonly text: string;
    readonly requestId: string | undefined;
    readonly suggestion: string | undefined;
    readonly ambiguous: boolean;
    readonly retryAfterMs: number | undefined;
    readonly code: string | undefined;

    constructor(parts: FlyErrorParts) {
        const suggestion = suggestionFor(parts);
        super(visible(messageFor(parts, suggestion)), { cause: parts.cause });
        this.name = "FlyError";
        this.method = parts.method;
        this.path = parts.path;
        this.status = parts.status;
        this.flyStatus = parts.flyStatus;
        this.text = parts.text;
        this.requestId = parts.requestId;
        this.suggestion = suggestion;
        this.ambiguous = parts.ambiguous ?? false;
        this.retryAfterMs = parts.retryAfterMs;
        this.code = parts.code;
    }
}

function messageFor(parts: FlyErrorParts, suggestion: string | undefined): string {
    const answer =
        parts.status === 0
            ? "no answer"
            : `${parts.status}${parts.flyStatus ? ` ${parts.flyStatus}` : ""}`;
    const id = parts.requestId ? ` (fly-request-id ${parts.requestId})` : "";
    const advice = suggestion ? `\n  ${suggestion}` : "";
    return `${parts.method} ${parts.path}: ${answer}: ${parts.text}${id}${advice}`;
}

function suggestionFor(parts: FlyErrorParts): string | undefined {
    const { status, flyStatus, text } = parts;
    if (status === 0) {
        return parts.code === "ETIMEDOUT"
            ? "Fly did not answer in time: run it again."
            : "Check the endpoint and the network (for the local Fly: that it runs).";
    }
    if (status === 401) {
        return "Fly rejects the token: put a valid one into FLY_API_TOKEN or the secret config fly:token.";
    }
    if (status === 403) {
        return "The token may not do this: it belongs to another organisation, or is read-only, or is for one app only.";
    }
    if (flyStatus === "name_taken" || /already been taken|uniqueness constraint/i.test(text)) {
        return "App names are unique across all of Fly: choose another one.";
    }
    if (flyStatus === "insufficient_capacity" || flyStatus === "volume_placement_capacity") {
        return "Fly has no room for this in the region: try again later, a smaller machine, or another region.";
    }
    if (/insufficient resources to create new machine with existing volume/.test(text)) {
        return "The volume's host has no room for the machine: choose a smaller one, or fork the volume to another host.";
    }
    if (/payment method|credit card/i.test(text)) {
        return "Add a payment method to the organisation on fly.io.";
    }
    if (status === 429) {
        return "Fly limits the rate of requests: run it again in a minute.";
    }
    if (status >= 500) {
        return "Fly failed: see https://status.flyio.net, then run it again.";
    }
    return undefined;
}

/** Tells whether the object is gone: 404, or 400 for a destroyed app (seen live by formae-plugin-fly). */
export function isGone(error: unknown): boolean {
    return (
        error instanceof FlyError &&
        (error.status === 404 || (error.status === 400 && /could not find app/i.test(error.text)))
    );
}

export function isAmbiguous(error: unknown): error is FlyError {
    return error instanceof FlyError && error.ambiguous;
}

/**
 * How long Fly may still carry out a request: after it fell silent, and after its proxy gave up or the
 * connection broke.
 */
const LATE_MS = { silent: 60_000, broken: 10_000 };

/**
 * Earliest time, by `performance.now()`, to repeat a request after this error where Fly does not enforce
 * uniqueness: earlier, the object could be created twice.
 */
export function askAgainAt(error: FlyError): number {
    return performance.now() + (error.code === "ETIMEDOUT" ? LATE_MS.silent : LATE_MS.broken);
}

/** Tells whether someone else holds the machine's lease: `aborted: machine ID … lease currently held by …`. */
export function isLeaseHeld(error: unknown): error is FlyError {
    return error instanceof FlyError && error.status === 409 && /lease/i.test(error.text);
}

const MAX_TEXT = 400;

/** Reduces foreign text to one visible line of at most `MAX_TEXT` characters. */
export function shorten(text: string): string {
    const line = visibleLine(text);
    return line.length > MAX_TEXT
        ? `${line.slice(0, MAX_TEXT)}… (${line.length} characters)`
        : line;
}

/** Shorter values are not redacted: they occur in ordinary words, and Fly echoes no values. */
const MIN_SECRET_LENGTH = 4;

/** Replaces every secret, JSON-escaped ones too, by `[secret]`. */
export function redact(text: string, secrets: readonly string[]): string {
    return secrets
        .flatMap((secret) => [secret, JSON.stringify(secret).slice(1, -1)])
        .filter((secret) => secret.length >= MIN_SECRET_LENGTH)
        .sort((a, b) => b.length - a.length)
        .reduce((redacted, secret) => redacted.replaceAll(secret, "[secret]"), text);
}
