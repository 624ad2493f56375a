/** The Machines API over HTTP: deadlines, retries by the method's safety, errors that say all. */
import { readFileSync } from "node:fs";
import pRetry from "p-retry";
import { cancelled } from "./cancel.ts";
import { errorText, NEVER_SENT, networkCause, parseJson, retryAfter } from "./answers.ts";
import { FlyError, redact, shorten } from "./errors.ts";
import { RateLimiter } from "./limits.ts";
import { authorization, flyToken, normaliseToken } from "./token.ts";
import { REAL_CLOCK, type Clock } from "./wait.ts";

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
    /** What tidies up is sent after Ctrl-C too; anything else is not, and a GET is cut short. */
    readonly always?: boolean;
    /** @default true */
    readonly authenticate?: boolean;
}

export interface ClientOptions {
    /** Without /v1, such as https://api.machines.dev */
    readonly endpoint: string;
    readonly token?: string | undefined;
    /** @default 4 */
    readonly retries?: number;
    /** The first pause between two attempts; it doubles, and is jittered. @default 500 */
    readonly minPauseMs?: number;
    readonly limiter?: RateLimiter;
    readonly clock?: Clock;
}

const DEADLINE_MS = 30_000;
const MAX_PAUSE_MS = 8_000;
const MAX_RETRY_AFTER_MS = 60_000;

/** A new app is not known everywhere at once: fly-go waits out 404 for up to a minute. */
const NEW_APP_MS = 60_000;
const NEW_APP_RETRIES = 12;

/** What is asked of a whole app, as opposed to one machine or volume in it. */
const APP_COLLECTION =
    /^\/v1\/apps\/([^/]+)\/(?:machines|volumes|ip_assignments|secrets|certificates\/acme)$/;

const { version } = JSON.parse(
    readFileSync(new URL("../../package.json", import.meta.url), "utf8"),
) as { version: string };

export class FlyClient {
    readonly #endpoint: string;
    readonly #token: string | undefined;
    readonly #retries: number;
    readonly #minPauseMs: number;
    readonly #limiter: RateLimiter;
    readonly #clock: Clock;
    readonly #newApps = new Map<string, number>();
    readonly #shared = new Map<string, Promise<unknown>>();

    constructor(options: ClientOptions) {
        this.#endpoint = options.endpoint.replace(/\/+$/, "").replace(/\/v1$/, "");
        this.#token = normaliseToken(options.token);
        this.#retries = options.retries ?? 4;
        this.#minPauseMs = options.minPauseMs ?? 500;
        this.#clock = options.clock ?? REAL_CLOCK;
        this.#limiter = options.limiter ?? new RateLimiter(this.#clock);
    }

    /** @param path segments after /v1, each of which is encoded: ["apps", "my-app"] */
    async get<T>(path: readonly string[], options: RequestOptions = {}): Promise<T> {
        return (await this.#request("GET", path, options)) as T;
    }

    /** As `get`, but those who ask at the same time share one request and its answer. */
    async getShared<T>(path: readonly string[]): Promise<T> {
        const key = path.join("/");
        let asked = this.#shared.get(key);
        if (!asked) {
            asked = this.#request("GET", path, {}).finally(() => this.#shared.delete(key));
            this.#shared.set(key, asked);
        }
        return (await asked) as T;
    }

    async post<T>(path: readonly string[], options: RequestOptions = {}): Promise<T> {
        return (await this.#request("POST", path, options)) as T;
    }

    async put<T>(path: readonly string[], options: RequestOptions = {}): Promise<T> {
        return (await this.#request("PUT", path, options)) as T;
    }

    async delete(path: readonly string[], options: RequestOptions = {}): Promise<void> {
        await this.#request("DELETE", path, options);
    }

    /** From now on, and for a minute, 404 for what is in this app means: not known yet. */
    appCreated(app: string): void {
        this.#newApps.set(encodeURIComponent(app), performance.now() + NEW_APP_MS);
    }

    appDeleted(app: string): void {
        this.#newApps.delete(encodeURIComponent(app));
    }

    #request(method: Method, segments: readonly string[], options: RequestOptions) {
        const path = `/v1/${segments.map(encoded).join("/")}`;
        return pRetry(() => this.#attempt(method, path, options), {
            retries: Math.max(this.#retries, NEW_APP_RETRIES),
            minTimeout: this.#minPauseMs,
            maxTimeout: MAX_PAUSE_MS,
            randomize: true,
            // A change that is on its way is waited for: its answer tells what there now is.
            signal: method === "GET" ? cancelled : undefined,
            shouldRetry: ({ error, retriesConsumed }) =>
                this.#mayRetry(error, method, path, options, retriesConsumed),
            onFailedAttempt: async ({ error, retriesConsumed }) => {
                if (
                    error instanceof FlyError &&
                    error.retryAfterMs !== undefined &&
                    this.#mayRetry(error, method, path, options, retriesConsumed)
                ) {
                    await this.#clock.sleep(error.retryAfterMs);
                }
            },
        });
    }

    #mayRetry(
        error: unknown,
        method: Method,
        path: string,
        options: RequestOptions,
        retried: number,
    ): boolean {
        if (
            !(error instanceof FlyError) ||
            cancelled.aborted ||
            options.final?.includes(error.status)
        ) {
            return false;
        }
        if (this.#isNotKnownYet(error, path)) {
            return true;
        }
        if (retried >= this.#retries || (error.retryAfterMs ?? 0) > MAX_RETRY_AFTER_MS) {
            return false;
        }
        if (error.status === 429 || NEVER_SENT.has(error.code ?? "")) {
            return true;
        }
        const transient = error.status === 0 || error.status === 408 || error.status >= 500;
        return transient && error.status !== 501 && (options.safe ?? method !== "POST");
    }

    /** 404, 401 or a database's "no rows" about an app that was made a moment ago. */
    #isNotKnownYet(error: FlyError, path: string): boolean {
        const app = APP_COLLECTION.exec(path)?.[1];
        const until = app === undefined ? undefined : this.#newApps.get(app);
        return (
            until !== undefined &&
            performance.now() < until &&
            (error.status === 404 || error.status === 401 || /sql: no rows/.test(error.text))
        );
    }

    async #attempt(method: Method, path: string, options: RequestOptions): Promise<unknown> {
        const action = `${method} ${path}`;
        if (!(options.always && cancelled.aborted)) {
            cancelled.throwIfAborted();
            await this.#limiter.pass(action);
        }
        const secrets = [...(options.secrets ?? []), ...(this.#token?.split(",") ?? [])];
        const fail = (
            status: number,
            text: string,
            more: { ambiguous?: boolean; code?: string | undefined; cause?: unknown } = {},
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

        const url = new URL(this.#endpoint + path);
        for (const [key, value] of Object.entries(options.query ?? {})) {
            if (value !== undefined) {
                url.searchParams.set(key, String(value));
            }
        }
        const headers: Record<string, string> = {
            accept: "application/json",
            "user-agent": `appkata-mqtt/${version}`,
        };
        if (this.#token !== undefined && options.authenticate !== false) {
            headers.authorization = authorization(this.#token);
        }
        if (options.nonce !== undefined) {
            headers["fly-machine-lease-nonce"] = options.nonce;
        }
        if (options.body !== undefined) {
            headers["content-type"] = "application/json";
        }
        const deadlineMs = options.deadlineMs ?? DEADLINE_MS;

        let response: Response;
        let body: string;
        try {
            response = await fetch(url, {
                method,
                headers,
                body: options.body === undefined ? null : JSON.stringify(options.body),
                signal: AbortSignal.any([
                    AbortSignal.timeout(deadlineMs),
                    ...(method === "GET" ? [cancelled] : []),
                ]),
                redirect: "error",
            });
            body = await response.text();
        } catch (cause) {
            if (method === "GET") {
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
        if (response.status === 429) {
            this.#limiter.refused(action);
        }
        const { text, flyStatus } = errorText(json, body || response.statusText);
        const ambiguous = method !== "GET" && (response.status === 408 || response.status >= 500);
        throw fail(response.status, text, { ambiguous }, { flyStatus, headers: response.headers });
    }
}

/** `*` too, which a wildcard's host name has and Fly wants encoded. */
function encoded(segment: string): string {
    return encodeURIComponent(segment).replaceAll("*", "%2A");
}

const clients = new Map<string, FlyClient>();

/** One client, and so one rate limit, for each endpoint and token of the process. */
export function flyClient(endpoint: string): FlyClient {
    const token = flyToken();
    const key = `${endpoint}\n${token}`;
    let client = clients.get(key);
    if (!client) {
        client = new FlyClient({ endpoint, token });
        clients.set(key, client);
    }
    return client;
}
