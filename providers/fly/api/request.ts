/** One request over HTTP: its deadline, its answer, an error that says all. */
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
    /** Sent with every change of a machine under lease. */
    readonly nonce?: string | undefined;
    /**
     * Whether it may be sent twice though Fly may have carried it out: true for a POST that sets a
     * state rather than adds something. @default all but POST
     */
    readonly safe?: boolean;
    /** Until the whole answer is there. @default 30 s */
    readonly deadlineMs?: number;
    /** Answers that the caller wants to see at once, such as 408 from `wait`. */
    readonly final?: readonly number[];
    /** What an error text must not show, beside the token. */
    readonly secrets?: readonly string[];
    /** Sent also after Ctrl-C, to tidy up. Anything else is not, and a GET is cut short. */
    readonly always?: boolean;
    /** @default true */
    readonly authenticate?: boolean;
}

/** Whether Ctrl-C ends it. A change that is on its way is waited for: its answer tells what there now is. */
export function isCutShort(method: Method, options: RequestOptions): boolean {
    return method === "GET" && !options.always;
}

const DEADLINE_MS = 30_000;

const { version } = JSON.parse(
    readFileSync(new URL("../../../package.json", import.meta.url), "utf8"),
) as { version: string };

/**
 * @param endpoint without /v1
 * @param path from /v1 on, encoded
 * @returns the answer's JSON; undefined where it is empty, or "ok"
 * @throws FlyError without the token and `options.secrets`
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
