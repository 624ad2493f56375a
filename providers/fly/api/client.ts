/** Client for the Machines API, with rate limits, and retries where repeating a request is safe. */
import pRetry from "p-retry";
import { NEVER_SENT } from "./answers.ts";
import { cancelled } from "./cancel.ts";
import { FlyError, isGone } from "./errors.ts";
import { RateLimiter } from "./rateLimits.ts";
import { NEW_APP_RETRIES, NewApps } from "./newApps.ts";
import { isCutShort, send, type Method, type RequestOptions } from "./request.ts";
import { flyToken, normaliseToken } from "./token.ts";
import { REAL_CLOCK, type Clock } from "./wait.ts";

export interface ClientOptions {
    /** Base URL without `/v1`, such as `https://api.machines.dev`. */
    readonly endpoint: string;
    readonly token?: string | undefined;
    /** Retries after the first attempt. @default 4 */
    readonly retries?: number;
    /** Time for an answer to a request that has no `deadlineMs` of its own. @default 30,000 */
    readonly deadlineMs?: number;
    /** First back-off in milliseconds; it doubles, with jitter, up to 8 s. @default 500 */
    readonly minPauseMs?: number;
    readonly limiter?: RateLimiter;
    readonly clock?: Clock;
}

/** An app, and the client of the Fly that has it. */
export interface AppOnFly {
    readonly client: FlyClient;
    readonly app: string;
}

const MAX_PAUSE_MS = 8_000;
const MAX_RETRY_AFTER_MS = 60_000;

/** @param safe whether the request may be sent twice */
function mayBeRepeated(error: FlyError, safe: boolean): boolean {
    if ((error.retryAfterMs ?? 0) > MAX_RETRY_AFTER_MS) {
        return false;
    }
    if (error.status === 429 || NEVER_SENT.has(error.code ?? "")) {
        return true;
    }
    const transient = error.status === 0 || error.status === 408 || error.status >= 500;
    return transient && error.status !== 501 && safe;
}

export class FlyClient {
    readonly #endpoint: string;
    readonly #token: string | undefined;
    readonly #retries: number;
    readonly #defaults: Pick<RequestOptions, "deadlineMs">;
    readonly #minPauseMs: number;
    readonly #limiter: RateLimiter;
    readonly #clock: Clock;
    readonly #newApps = new NewApps();
    readonly #shared = new Map<string, Promise<unknown>>();

    constructor(options: ClientOptions) {
        this.#endpoint = options.endpoint.replace(/\/+$/, "").replace(/\/v1$/, "");
        this.#token = normaliseToken(options.token);
        this.#retries = options.retries ?? 4;
        this.#defaults = options.deadlineMs === undefined ? {} : { deadlineMs: options.deadlineMs };
        this.#minPauseMs = options.minPauseMs ?? 500;
        this.#clock = options.clock ?? REAL_CLOCK;
        this.#limiter = options.limiter ?? new RateLimiter(this.#clock);
    }

    /** @param path segments after `/v1`, which are encoded: `["apps", "my-app"]` */
    async get<T>(path: readonly string[], options: RequestOptions = {}): Promise<T> {
        return (await this.#request("GET", path, options)) as T;
    }

    /** Like `get`, but concurrent calls share one request and its answer. */
    async getShared<T>(path: readonly string[]): Promise<T> {
        const key = path.join("/");
        let asked = this.#shared.get(key);
        if (!asked) {
            asked = this.#request("GET", path, {}).finally(() => this.#shared.delete(key));
            this.#shared.set(key, asked);
        }
        return (await asked) as T;
    }

    /** Like `get`. @returns undefined where it is gone */
    async find<T>(path: readonly string[]): Promise<T | undefined> {
        try {
            return await this.get<T>(path);
        } catch (error) {
            if (isGone(error)) return undefined;
            throw error;
        }
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

    /** Like `delete`, which also succeeds where it is gone. */
    async remove(path: readonly string[], options: RequestOptions = {}): Promise<void> {
        try {
            await this.delete(path, options);
        } catch (error) {
            if (!isGone(error)) throw error;
        }
    }

    /** Treats 404s in this app as not yet propagated, for a minute. */
    appCreated(app: string): void {
        this.#newApps.created(app);
    }

    /** Like `appCreated`, for an app that this process has created. */
    appMade(app: string): void {
        this.#newApps.made(app);
    }

    /** Tells whether this process created the app, so that everything in it is from this run. */
    hasMade(app: string): boolean {
        return this.#newApps.wasMade(app);
    }

    appDeleted(app: string): void {
        this.#newApps.deleted(app);
    }

    #request(method: Method, segments: readonly string[], own: RequestOptions) {
        const options = { ...this.#defaults, ...own };
        const path = `/v1/${segments.map(encoded).join("/")}`;
        return pRetry(() => this.#attempt(method, path, options), {
            retries: Math.max(this.#retries, NEW_APP_RETRIES),
            minTimeout: this.#minPauseMs,
            maxTimeout: MAX_PAUSE_MS,
            randomize: true,
            signal: isCutShort(method, options) ? cancelled : undefined,
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

    async #attempt(method: Method, path: string, options: RequestOptions): Promise<unknown> {
        const action = `${method} ${path}`;
        if (!(options.always && cancelled.aborted)) {
            cancelled.throwIfAborted();
            await this.#limiter.pass(action);
        }
        try {
            return await send(this.#endpoint, this.#token, method, path, options);
        } catch (error) {
            if (error instanceof FlyError && error.status === 429) {
                this.#limiter.refused(action);
            }
            throw error;
        }
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
        return (
            this.#newApps.explain(error, path) ||
            (retried < this.#retries && mayBeRepeated(error, options.safe ?? method !== "POST"))
        );
    }
}

/** Encodes a segment, `*` included: Fly demands that of a wildcard host name. */
function encoded(segment: string): string {
    return encodeURIComponent(segment).replaceAll("*", "%2A");
}

const clients = new Map<string, FlyClient>();

/** The process's client for an endpoint and the token, so that all share one rate limit. */
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
