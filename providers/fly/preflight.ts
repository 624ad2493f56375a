/**
 * Checks region, token, organisation, app name, the app's contents and the broker's volume before anything is
 * declared. Takes two requests, one more for a deployed volume, and two more where the app has more machines or
 * volumes than the stack's.
 */
import { FlyClient } from "./api/client.ts";
import { FlyError } from "./api/errors.ts";
import { messageOf } from "../provider.ts";
import { visibleLine } from "../../lib/visible.ts";
import { normaliseToken } from "./api/token.ts";
import { findOthers, type Own } from "./others.ts";
import type { WireApp, WireMachine, WireVolume } from "./api/types.ts";
import { lostVolumeProblem, type DeployedVolume } from "./volume/lost.ts";

export interface PreflightArgs {
    /** Base of the Machines API without `/v1`, such as `https://api.machines.dev`. */
    readonly endpoint: string;
    /** Normalised here. */
    readonly token: string | undefined;
    /** Omitted where the name is generated. */
    readonly appName?: string | undefined;
    readonly region: string;
    readonly organization: string;
    /** App, machine and volume of the last `up`. */
    readonly deployed?: (Own & { readonly app: string }) | undefined;
    /** Volume that must still exist. */
    readonly volume?: DeployedVolume | undefined;
}

export interface Findings {
    /** One line per problem: the setting, its value, the fix. */
    readonly problems: string[];
    readonly warnings: string[];
}

/** Few, since a person is waiting. */
const RETRIES = 1;
const DEADLINE_MS = 10_000;

export async function preflight(args: PreflightArgs): Promise<Findings> {
    const token = normaliseToken(args.token);
    if (token === undefined) {
        return only(
            "fly:token: there is no token; set FLY_API_TOKEN, or `pulumi config set --secret fly:token TOKEN`",
        );
    }
    if (!URL.canParse(args.endpoint)) {
        return only(`endpoint "${args.endpoint}": not a URL, such as https://api.machines.dev`);
    }
    const client = new FlyClient({
        endpoint: args.endpoint,
        token,
        retries: RETRIES,
        deadlineMs: DEADLINE_MS,
    });
    const failed = (error: unknown) => endpointProblem(args, error);
    const [region, account, volume] = await Promise.all([
        regionProblem(client, args).catch(failed),
        checkAccount(client, args).catch((error: unknown) => {
            return { problem: failed(error), warnings: [] };
        }),
        args.volume &&
            lostVolumeProblem(client, args.volume).catch((error: unknown) =>
                isRefusal(error) ? undefined : failed(error),
            ),
    ]);
    const problems = [region, account.problem, volume].filter((problem) => problem !== undefined);
    return {
        problems: [...new Set(problems.map(visibleLine))],
        warnings: account.warnings.map(visibleLine),
    };
}

/** Tells whether Fly refuses the token, which the check of the account reports. */
function isRefusal(error: unknown): boolean {
    return error instanceof FlyError && (error.status === 401 || error.status === 403);
}

function only(problem: string): Findings {
    return { problems: [problem], warnings: [] };
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

/** Reads the regions. Their keys are PascalCase on the live wire, lowercase in the OpenAPI document. */
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
    });
    const { regions, nearest } = regionsOf(answer);
    const found = regions.find(({ code }) => code === args.region);
    if (found?.deprecated === false) {
        return undefined;
    }
    const list = nearRegions(args.region, regions, nearest)
        .map(({ code, name }) => (name ? `${code} (${name})` : code))
        .join(", ");
    const fault = found ? "Fly is retiring this region" : "Fly has no such region";
    return `region "${args.region}": ${fault}; nearby regions are ${list}`;
}

const NEAR = 5;

/** Suggests usable regions, by distance from a known region and by spelling for an unknown one. */
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

/** Scores spelling: 0 for a region whose name contains the word ("London"), else the number of differing letters. */
function spelling(wanted: string, { code, name }: Region): number {
    const word = wanted.toLowerCase();
    if (word.length > 2 && name.toLowerCase().includes(word)) {
        return 0;
    }
    const differing = [...code].filter((letter, index) => letter !== word[index]).length;
    return differing + Math.abs(code.length - word.length);
}

/** Distance in degrees, good enough to sort by. */
function distance(a: Region, b: Region): number {
    const degrees = Math.hypot(a.latitude - b.latitude, a.longitude - b.longitude);
    return Number.isNaN(degrees) ? 0 : degrees;
}

interface Account {
    readonly problem: string | undefined;
    readonly warnings: string[];
}

/** Checks access to the stack's app, if it has or names one, else to the organisation. */
async function checkAccount(client: FlyClient, args: PreflightArgs): Promise<Account> {
    const name = args.appName ?? args.deployed?.app;
    try {
        if (name !== undefined) {
            const app = await client.get<WireApp>(["apps", name]);
            const problem = args.appName === undefined ? undefined : wrongOrganization(args, app);
            return { problem, warnings: await warnOfOthers(client, args, name, app) };
        }
        await client.get(["apps"], {
            query: { org_slug: args.organization },
        });
        return { problem: undefined, warnings: [] };
    } catch (error) {
        if (!(error instanceof FlyError)) {
            throw error;
        }
        return { problem: refusal(args, name, error), warnings: [] };
    }
}

/** Warns about other machines and volumes; asks only where the app has more than one of each. */
async function warnOfOthers(
    client: FlyClient,
    { deployed }: PreflightArgs,
    name: string,
    app: WireApp,
): Promise<string[]> {
    const { machine_count: machines = 2, volume_count: volumes = 2 } = app;
    if (deployed?.app !== name || (machines <= 1 && volumes <= 1)) {
        return [];
    }
    const list = <T>(what: string) => client.get<T[]>(["apps", name, what]);
    const [allMachines, allVolumes] = await Promise.all([
        list<WireMachine>("machines"),
        list<WireVolume>("volumes"),
    ]);
    return findOthers(name, allMachines, allVolumes, deployed).map(({ text }) => text);
}

function wrongOrganization(args: PreflightArgs, app: WireApp): string | undefined {
    const slug = app.organization?.slug;
    return slug === undefined || slug === args.organization || args.organization === "personal"
        ? undefined
        : `organization "${args.organization}": the app "${args.appName ?? ""}" is in your organisation "${slug}"; ` +
              "set that organization, or choose another app name";
}

function refusal(
    args: PreflightArgs,
    name: string | undefined,
    error: FlyError,
): string | undefined {
    const named = name !== undefined;
    switch (error.status) {
        case 401:
            return "fly:token: Fly rejects the token; put a valid one into FLY_API_TOKEN or the secret config fly:token";
        case 403:
            return named
                ? `appName "${name ?? ""}": the name belongs to someone else; names are unique across all of Fly: ` +
                      "choose another one, or leave it out to have one generated"
                : `organization "${args.organization}": the token may not use it; choose another one, or a token for it`;
        case 404:
            return named
                ? undefined
                : `organization "${args.organization}": Fly knows no organisation of this name; see \`fly orgs list\``;
        default:
            throw error;
    }
}
