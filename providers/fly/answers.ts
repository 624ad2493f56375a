/** Reading what comes back: bodies that may not be JSON, and the network's own failures. */

/** Failed before Fly could have seen the request. */
export const NEVER_SENT = new Set(["ECONNREFUSED", "ENOTFOUND", "EAI_AGAIN", "EHOSTUNREACH"]);

/** fetch hides the reason in `cause`, and with several addresses once more in `errors`. */
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

/** `{error,status}` is Fly's; some of its upstreams answer `{message}`, proxies in HTML. */
export function errorText(
    json: unknown,
    body: string,
): { text: string; flyStatus: string | undefined } {
    if (json === null || typeof json !== "object") {
        return { text: body.replace(/<[^>]*>/g, " "), flyStatus: undefined };
    }
    const { error, message, status } = json as Record<string, unknown>;
    const text = [message, error].find((value) => typeof value === "string" && value !== "");
    return {
        text: typeof text === "string" ? text : body,
        flyStatus: typeof status === "string" && status !== "unknown" ? status : undefined,
    };
}

/** Seconds, or a date. */
export function retryAfter(header: string | null | undefined): number | undefined {
    if (!header) {
        return undefined;
    }
    const seconds = Number(header);
    const ms = Number.isNaN(seconds) ? Date.parse(header) - Date.now() : seconds * 1000;
    return Number.isNaN(ms) ? undefined : Math.max(0, ms);
}
