/** Counts requests to the local Fly, from its journal. */
import type { Api } from "../../harness/api.ts";

export interface Requests {
    count: number;
    /** Requests answered with 429. */
    refused: number;
    /** Largest number of requests at the same time, and of apps that they were for. */
    atOnce: number;
    appsAtOnce: number;
}

/** Counts the requests of `work`. */
export async function requestsOf(api: Api, work: () => Promise<unknown>): Promise<Requests> {
    await api.ok("DELETE", "/_local/journal");
    await work();
    const entries = await api.journal();
    const asked = entries
        .filter(({ path }) => path.startsWith("/v1/"))
        .map(({ at, ms, path, status }) => {
            const to = Date.parse(at);
            return { from: to - ms, to, status, app: /^\/v1\/apps\/([^/?]+)/.exec(path)?.[1] };
        });
    // The maximum is reached when a request begins.
    const moments = asked.map(({ from: at }) =>
        asked.filter(({ from, to }) => from <= at && at <= to),
    );
    const most = (count: (these: typeof asked) => number) => Math.max(0, ...moments.map(count));
    return {
        count: asked.length,
        refused: asked.filter(({ status }) => status === 429).length,
        atOnce: most((these) => these.length),
        appsAtOnce: most((these) => new Set(these.flatMap(({ app }) => app ?? [])).size),
    };
}
