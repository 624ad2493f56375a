/** Observes the providers' requests and answers, on their side of the connection. */
import { hasDocument, OpenApi } from "../../local/support/openapi.ts";

/** While one exists, every request of the providers is checked against Fly's document. */
export class Wire {
    readonly document = hasDocument ? new OpenApi() : undefined;
    /** Problems of requests and answers, each once. */
    readonly problems = new Set<string>();
    /** Requested routes, by the document's names. */
    readonly routes = new Set<string>();
    /** False while faults are injected: an answer may then be anything. */
    checkAnswers = true;
    readonly #fetch = globalThis.fetch;
    readonly #watching: typeof fetch;

    constructor() {
        this.#watching = async (input, init) => {
            const url = new URL(input instanceof Request ? input.url : input);
            const headers = new Headers(init?.headers);
            const ours = headers.get("user-agent")?.startsWith("appkata-mqtt/") ?? false;
            if (!ours || !this.document) return this.#fetch(input, init);
            const method = init?.method ?? "GET";
            const path = url.pathname.replace(/^\/v1/, "") + url.search;
            const sent = typeof init?.body === "string" ? init.body : undefined;
            const body = sent === undefined ? undefined : (JSON.parse(sent) as unknown);
            this.#note(this.document.requestProblem(method, path, body));
            this.routes.add(this.document.route(method, path) ?? `${method} ${path}`);
            const checked = this.checkAnswers;
            const response = await this.#fetch(input, init);
            if (checked) await this.#look(method, path, response.clone());
            return response;
        };
        globalThis.fetch = this.#watching;
    }

    end(): void {
        if (globalThis.fetch === this.#watching) globalThis.fetch = this.#fetch;
    }

    async #look(method: string, path: string, response: Response): Promise<void> {
        const text = await response.text();
        const isJson = response.headers.get("content-type")?.includes("json") ?? false;
        const body: unknown = isJson && text !== "" ? JSON.parse(text) : undefined;
        this.#note(this.document?.problem(method, path, response.status, body));
    }

    #note(problem: string | undefined): void {
        if (problem !== undefined) this.problems.add(problem);
    }
}
