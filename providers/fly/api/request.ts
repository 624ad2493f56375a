/** Sends one HTTP request, with a deadline, and turns failures into a FlyError. */
import { readFileSync } from "node:fs";
import {
    boundedText,
    errorText,
    NEVER_SENT,
    networkCause,
    parseJson,
    retryAfter,
} from "./answers.ts";
import { cancelled } from "./cancel.ts";
import { FlyError, redact, shorten } from "./errors.ts";
import { authorization } from "./token.ts";

export type Method = "GET" | "POST" | "PUT" | "DELETE";

export interface RequestOptions {
    readonly query?: Readonly<Record<string, string | number | boolean | undefined>>;
    readonly body?: unknown;
    /** Nonce of the lease, for a change of a leased machine. */
    readonly nonce?: string | undefined;
    /**
     * Whether to repeat the request even if Fly may have carried it out: true for a POST that sets a state
     * rather than adds an object. @default true except for POST
     */
    readonly safe?: boolean;
    /** Time until the whole answer has arrived. @default 30,000 */
    readonly deadlineMs?: number;
    /** Statuses that are not retried, such as 408 from `wait`. */
    readonly final?: readonly number[];
    /** Values to redact in errors, besides the token. */
    readonly secrets?: readonly string[];
    /** Whether to send it after Ctrl-C too, to clean up. @default false */
    readonly always?: boolean;
    /** @default true */
    readonly authenticate?: boolean;
}

/** Tells whether Ctrl-C aborts the request. Changes are not aborted: their answer tells what now exists. */
export function isCutShort(method: Method, options: RequestOptions): boolean {
    return method === "GET" && !options.always;
}

const DEADLINE_MS = 30_000;

const { version } = JSON.parse(
    readFileSync(new URL("../../../package.json", import.meta.url), "utf8"),
) as { version: string };

/**
 * Sends a request once.
 *
 * @param endpoint base URL without `/v1`
 * @param path from `/v1` on, encoded
 * @returns the answer's JSON; undefined where the body is empty or "ok"
 * @throws FlyError, in which the token and `options.secrets` are redacted
 */
export async function send(
    endpoint: string,
    token: string | undefined,
    method: Method,
    path: string,
    options: RequestOptions,
): Promise<unknown> {
    const secrets = [...(options.secrets ?? []), ...(token?.split(",") ?? [])];
    const fail = (
        status: number,
        text: string,
        more: { ambiguous?: boolean; code?: string | undefined },
        answer?: { flyStatus: string | undefined; headers: Headers },
    ) =>
        new FlyError({
            method,
            path,
            status,
            text: shorten(redact(text, secrets)),
            flyStatus: answer?.flyStatus,
            requestId: answer?.headers.get("fly-request-id") ?? undefined,
            retryAfterMs: retryAfter(answer?.headers.get("retry-after")),
            ...more,
        });

    const url = urlOf(endpoint, path, options);
    const deadlineMs = options.deadlineMs ?? DEADLINE_MS;
    let response: Response;
    let body: string;
    try {
        response = await fetch(url, {
            method,
            headers: headersOf(token, options),
            body: options.body === undefined ? null : JSON.stringify(options.body),
            signal: AbortSignal.any([
                AbortSignal.timeout(deadlineMs),
                ...(isCutShort(method, options) ? [cancelled] : []),
            ]),
            redirect: "error",
        });
        body = await boundedText(response);
    } catch (cause) {
        if (isCutShort(method, options)) {
            cancelled.throwIfAborted();
        }
        const { code, text } = networkCause(cause, deadlineMs);
        const ambiguous = method !== "GET" && !NEVER_SENT.has(code ?? "");
        throw fail(0, `${text} (${url.origin})`, { ambiguous, code });
    }

    const json = parseJson(body);
    if (response.ok) {
        if (json === undefined && body.trim() !== "" && !/^ok$/i.test(body.trim())) {
            throw fail(0, `an answer ${response.status} that is not JSON: ${body}`, {
                ambiguous: method !== "GET",
                code: "EBADANSWER",
            });
        }
        return json;
    }
    const { text, flyStatus } = errorText(json, body || response.statusText);
    const ambiguous = method !== "GET" && (response.status === 408 || response.status >= 500);
    throw fail(response.status, text, { ambiguous }, { flyStatus, headers: response.headers });
}

function urlOf(endpoint: string, path: string, { query = {} }: RequestOptions): URL {
    const url = new URL(endpoint + path);
    for (const [key, value] of Object.entries(query)) {
        if (value !== undefined) {
            url.searchParams.set(key, String(value));
        }
    }
    return url;
}

function headersOf(
    token: string | undefined,
    { authenticate = true, nonce, body }: RequestOptions,
): Record<string, string> {
    return {
        accept: "application/json",
        "user-agent": `appkata-mqtt/${version}`,
        ...(token !== undefined && authenticate && { authorization: authorization(token) }),
        ...(nonce !== undefined && { "fly-machine-lease-nonce": nonce }),
        ...(body !== undefined && { "content-type": "application/json" }),
    };
}
