/** Reads answers: bodies that may not be JSON, and network failures. */

/** Network errors that occur before Fly can have seen the request. */
export const NEVER_SENT = new Set(["ECONNREFUSED", "ENOTFOUND", "EAI_AGAIN", "EHOSTUNREACH"]);

/** Far above the largest answers: lists of hundreds of machines, some megabytes. */
const MAX_BODY_BYTES = 32 * 1024 * 1024;

/**
 * Reads a body to its end, decompressed.
 * @throws TooLarge beyond `maxBytes`, where it stops reading: a small compressed answer can hold gigabytes
 */
export async function boundedText(response: Response, maxBytes = MAX_BODY_BYTES): Promise<string> {
    const parts: Uint8Array[] = [];
    let size = 0;
    for await (const part of (response.body ?? []) as AsyncIterable<Uint8Array>) {
        size += part.byteLength;
        if (size > maxBytes) {
            throw new TooLarge(maxBytes);
        }
        parts.push(part);
    }
    return Buffer.concat(parts).toString();
}

export class TooLarge extends Error {
    readonly code = "EBADANSWER";

    constructor(maxBytes: number) {
        super(`an answer of more than ${maxBytes / 2 ** 20} MB, which was not read`);
        this.name = "TooLarge";
    }
}

/** Finds the reason of a network failure: `fetch` nests it in `cause` and, with several addresses, in `errors`. */
export function networkCause(error: unknown, deadlineMs: number) {
    if (error instanceof Error && error.name === "TimeoutError") {
        return { code: "ETIMEDOUT", text: `no answer within ${deadlineMs / 1000} s` };
    }
    let inner: unknown = error;
    while (inner instanceof Error && (inner.cause ?? firstOf(inner)) !== undefined) {
        inner = inner.cause ?? firstOf(inner);
    }
    const code = inner instanceof Error && "code" in inner ? String(inner.code) : undefined;
    return { code, text: inner instanceof Error ? inner.message || (code ?? "") : String(inner) };
}

function firstOf(error: Error): unknown {
    return error instanceof AggregateError ? (error.errors as unknown[])[0] : undefined;
}

export function parseJson(body: string): unknown {
    try {
        return JSON.parse(body) as unknown;
    } catch {
        return undefined;
    }
}

/** Characters of an HTML page to strip of tags: megabytes of `<` would take the pattern forever. */
const MAX_PAGE = 20_000;

/** Extracts an error's text: Fly answers `{error,status}`, some of its upstreams `{message}`, proxies HTML. */
export function errorText(
    json: unknown,
    body: string,
): { text: string; flyStatus: string | undefined } {
    if (json === null || typeof json !== "object") {
        return { text: body.slice(0, MAX_PAGE).replace(/<[^>]*>/g, " "), flyStatus: undefined };
    }
    const { error, message, status } = json as Record<string, unknown>;
    const text = [message, error].find((value) => typeof value === "string" && value !== "");
    return {
        text: typeof text === "string" ? text : body,
        flyStatus: typeof status === "string" && status !== "unknown" ? status : undefined,
    };
}

/** Parses `Retry-After`, in seconds or as a date. @returns milliseconds */
export function retryAfter(header: string | null | undefined): number | undefined {
    if (!header) {
        return undefined;
    }
    const seconds = Number(header);
    const ms = Number.isNaN(seconds) ? Date.parse(header) - Date.now() : seconds * 1000;
    return Number.isNaN(ms) ? undefined : Math.max(0, ms);
}
