/** Asked before anything is declared: region, token, organisation and app name, in two requests. */
import { FlyClient } from "./client.ts";
import { FlyError } from "./errors.ts";
import { messageOf } from "../provider.ts";
import { visibleLine } from "../../lib/visible.ts";
import { normaliseToken } from "./token.ts";
import type { WireApp } from "./types.ts";

export interface PreflightArgs {
    /** Such as https://api.machines.dev, without /v1. */
    readonly endpoint: string;
    /** As the program has it; normalised here. */
    readonly token: string | undefined;
    /** Left out when the name is yet to be made. */
    readonly appName?: string | undefined;
    readonly region: string;
    readonly organization: string;
}

/** Once more, then say so: a person is waiting. */
const RETRIES = 1;
const DEADLINE_MS = 10_000;

/** @returns every problem found: the setting, its value, what to do; none if all is well */
export async function preflight(args: PreflightArgs): Promise<string[]> {
    const token = normaliseToken(args.token);
    if (token === undefined) {
        return [
            "fly:token: there is no token; set FLY_API_TOKEN, or `pulumi config set --secret fly:token TOKEN`",
        ];
    }
    if (!URL.canParse(args.endpoint)) {
        return [`endpoint "${args.endpoint}": not a URL, such as https://api.machines.dev`];
    }
    const client = new FlyClient({ endpoint: args.endpoint, token, retries: RETRIES });
    const [region, account] = await Promise.all([
        regionProblem(client, args).catch((error: unknown) => endpointProblem(args, error)),
        accountProblem(client, args).catch((error: unknown) => endpointProblem(args, error)),
    ]);
    return [
        ...new Set([region, account].filter((problem) => problem !== undefined).map(visibleLine)),
    ];
}

function endpointProblem(args: PreflightArgs, error: unknown): string {
    const reason =
        error instanceof FlyError && error.status === 0
            ? `Fly cannot be reached there: ${error.text}`
            : messageOf(error);
    return `endpoint "${args.endpoint}": ${reason}`;
}

interface Region {
    readonly code: string;
    readonly name: string;
    readonly deprecated: boolean;
    readonly latitude: number;
    readonly longitude: number;
}

/** PascalCase on the live wire, lowercase in the OpenAPI document. */
function regionsOf(answer: unknown): { regions: Region[]; nearest: string } {
    const lower = lowerKeys(answer);
    const list = Array.isArray(lower.regions) ? (lower.regions as unknown[]) : [];
    const regions = list.map((item) => {
        const row = lowerKeys(item);
        return {
            code: typeof row.code === "string" ? row.code : "",
            name: typeof row.name === "string" ? row.name : "",
            deprecated: row.deprecated === true,
            latitude: Number(row.latitude),
            longitude: Number(row.longitude),
        };
    });
    return { regions, nearest: typeof lower.nearest === "string" ? lower.nearest : "" };
}

function lowerKeys(value: unknown): Record<string, unknown> {
    return Object.fromEntries(
        Object.entries(value ?? {}).map(([key, item]) => [key.toLowerCase(), item as unknown]),
    );
}

async function regionProblem(client: FlyClient, args: PreflightArgs): Promise<string | undefined> {
    const answer = await client.get(["platform", "regions"], {
        authenticate: false,
        deadlineMs: DEADLINE_MS,
    });
    const { regions, nearest } = regionsOf(answer);
    const found = regions.find(({ code }) => code === args.region);
    if (found?.deprecated === false) {
        return undefined;
    }
    const list = nearRegions(args.region, regions, nearest)
        .map(({ code, name }) => (name ? `${code} (${name})` : code))
        .join(", ");
    const fault = found ? "Fly is giving up this region" : "Fly has no such region";
    return `region "${args.region}": ${fault}; near are ${list}`;
}

const NEAR = 5;

/** By spelling when the region is unknown, by distance when it is known; usable ones only. */
function nearRegions(wanted: string, regions: readonly Region[], nearest: string): Region[] {
    const usable = regions.filter(({ deprecated }) => !deprecated);
    const at =
        regions.find(({ code }) => code === wanted) ??
        regions.find(({ code }) => code === nearest) ??
        regions[0];
    const score = (region: Region) =>
        wanted === at?.code
            ? distance(region, at)
            : spelling(wanted, region) * 1000 + (at ? distance(region, at) : 0);
    return [...usable].sort((a, b) => score(a) - score(b)).slice(0, NEAR);
}

/** 0 for a region whose name contains it ("London"), else the number of differing letters. */
function spelling(wanted: string, { code, name }: Region): number {
    const word = wanted.toLowerCase();
    if (word.length > 2 && name.toLowerCase().includes(word)) {
        return 0;
    }
    const differing = [...code].filter((letter, index) => letter !== word[index]).length;
    return differing + Math.abs(code.length - word.length);
}

/** In degrees; good enough to order a list. */
function distance(a: Region, b: Region): number {
    const degrees = Math.hypot(a.latitude - b.latitude, a.longitude - b.longitude);
    return Number.isNaN(degrees) ? 0 : degrees;
}

async function accountProblem(client: FlyClient, args: PreflightArgs): Promise<string | undefined> {
    try {
        if (args.appName === undefined) {
            await client.get(["apps"], {
                query: { org_slug: args.organization },
                deadlineMs: DEADLINE_MS,
            });
            return undefined;
        }
        const app = await client.get<WireApp>(["apps", args.appName], { deadlineMs: DEADLINE_MS });
        return wrongOrganization(args, app);
    } catch (error) {
        if (!(error instanceof FlyError)) {
            throw error;
        }
        return refusal(args, error);
    }
}

function wrongOrganization(args: PreflightArgs, app: WireApp): string | undefined {
    const slug = app.organization?.slug;
    return slug === undefined || slug === args.organization || args.organization === "personal"
        ? undefined
        : `organization "${args.organization}": the app "${args.appName ?? ""}" is in your organisation "${slug}"; ` +
              "name that one, or choose another app name";
}

function refusal(args: PreflightArgs, error: FlyError): string | undefined {
    const named = args.appName !== undefined;
    switch (error.status) {
        case 401:
            return "fly:token: Fly rejects the token; put a valid one into FLY_API_TOKEN or the secret config fly:token";
        case 403:
            return named
                ? `appName "${args.appName ?? ""}": the name belongs to someone else; names are unique across all of Fly: ` +
                      "choose another one, or leave it out to have one made"
                : `organization "${args.organization}": the token may not use it; choose another one, or a token for it`;
        case 404:
            return named
                ? undefined
                : `organization "${args.organization}": Fly knows none of this name; see \`fly orgs list\``;
        default:
            throw error;
    }
}
