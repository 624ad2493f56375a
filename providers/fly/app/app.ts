/** Provider of a Fly app, which holds addresses, volumes, secrets and machines. */
import {
    diffProperties,
    failuresOf,
    inputsOf,
    isUnknown,
    toState,
    type DiffResult,
    type Provider,
    type WithProvider,
} from "../../provider.ts";
import { PERSONAL } from "./adopt.ts";
import { APP_RULES, type AppInputs, type AppOutputs } from "./inputs.ts";
import { ensureApp, getApp } from "./make.ts";
import { flyClient, type FlyClient } from "../api/client.ts";
import { importProblem, listMachines, othersMachines } from "../ownership.ts";
import { protectionProblem, refuseProtected } from "../protection.ts";
import { appNameProblem } from "../rules.ts";
import { configure } from "../api/token.ts";
import type { WireApp, WireMachine } from "../api/types.ts";
import { deadlineIn, poll, Progress } from "../api/wait.ts";

const GONE_WITHIN_S = 120;

export const app: Provider<AppInputs, AppOutputs> = {
    configure,

    async check(olds, news) {
        const failures = failuresOf([
            ["name", appNameProblem(news.name)],
            ["onReplace", await replacementProblem(olds, news)],
            ["name", protectionProblem("app", news, isRenamed(olds, news))],
            ["importId", nameProblem(news)],
            ["importId", importProblem(olds, news, isRenamed(olds, news))],
            ["organization", news.organization ? undefined : "an app needs an organisation"],
        ]);
        return { inputs: news, failures };
    },

    diff(_id, olds, news): Promise<DiffResult> {
        const { changed, replaces } = diffProperties(olds, news, APP_RULES);
        // `personal` and its real slug are the same organisation.
        const real = replaces.filter(
            (key) => key !== "organization" || news.organization !== olds.organizationSlug,
        );
        const same = changed.filter((key) => !replaces.includes(key) || real.includes(key));
        return Promise.resolve({
            changes: same.length > 0,
            replaces: real,
            deleteBeforeReplace: !real.includes("name"),
        });
    },

    async create(inputs) {
        const client = flyClient(inputs.endpoint);
        const created = await ensureApp(client, inputs);
        return { id: inputs.name, outs: toOutputs(inputs, created) };
    },

    async read(id, props) {
        if (!props) {
            throw new Error("An app's state has no properties: it cannot be read.");
        }
        const found = await getApp(flyClient(props.endpoint), props.name);
        if (!found) {
            return {};
        }
        const slug = found.organization?.slug;
        const known = realSlug(props);
        const moved = slug !== undefined && known !== undefined && slug !== known;
        const organization = moved ? slug : props.organization;
        const inputs = { ...inputsOf<AppInputs>(props, APP_RULES), organization };
        return {
            id,
            props: toOutputs(inputs, found),
            inputs: toState(inputs) as AppOutputs,
        };
    },

    async update(_id, olds, news) {
        const found = await getApp(flyClient(news.endpoint), news.name);
        if (!found) {
            throw new Error(
                `App "${news.name}" is not at ${news.endpoint}.\n` +
                    (news.endpoint === olds.endpoint
                        ? "  Someone deleted it: run `pulumi up --refresh`."
                        : "  For another Fly, use another stack."),
            );
        }
        return { outs: toOutputs(news, found, olds.organizationSlug) };
    },

    async delete(_id, props) {
        refuseProtected(`App "${props.name}"`, props);
        const client = flyClient(props.endpoint);
        if (await holdsOthersMachines(client, props)) {
            return;
        }
        await client.remove(["apps", props.name], { query: { force: true } });
        client.appDeleted(props.name);
        const progress = new Progress(`app ${props.name}`);
        const gone = await poll(deadlineIn(GONE_WITHIN_S), async () => {
            progress.say("waiting for its deletion");
            return (await getApp(client, props.name)) ? undefined : true;
        });
        if (!gone) {
            throw new Error(
                `App "${props.name}" is still there ${GONE_WITHIN_S} s after its deletion.`,
            );
        }
    },
};

/** @returns undefined where only the alias is known: before the first answer, or from an older version */
function realSlug({ organization, organizationSlug }: Partial<AppOutputs>): string | undefined {
    const slug = organizationSlug ?? organization;
    return slug === PERSONAL ? undefined : slug;
}

async function replacementProblem(
    olds: Partial<AppInputs>,
    news: AppInputs,
): Promise<string | undefined> {
    if (olds.name === undefined || isUnknown(news.name)) {
        return undefined;
    }
    const renamed = olds.name !== news.name;
    const moved = !isUnknown(news.organization) && olds.organization !== news.organization;
    // With the same name it would be a different app, and the state of its contents would be wrong.
    if (moved && !renamed && !(await isAlias(olds, news))) {
        return (
            `organization "${olds.organization}" → "${news.organization}": the API cannot move an app; ` +
            "create one with another name there"
        );
    }
    return renamed && news.onReplace !== "discard"
        ? `name "${olds.name}" → "${news.name}" replaces the app with all it holds, its volume's data too: ` +
              `to keep it, set \`appkata-mqtt:appName: ${olds.name}\`; if that is intended, set ` +
              "`appkata-mqtt:volumeReplacement: discard`; to keep the data, take a snapshot first and " +
              "create the new volume from it"
        : undefined;
}

/** Tells whether `personal` is now written as its slug. Fly tells an app's slug, not whose organisation it is. */
async function isAlias(olds: Partial<AppInputs>, news: AppInputs): Promise<boolean> {
    if (olds.organization !== PERSONAL) {
        return false;
    }
    const found = await getApp(flyClient(news.endpoint), news.name);
    return found?.organization?.slug === news.organization;
}

function isRenamed(olds: Partial<AppInputs>, news: AppInputs): boolean {
    return olds.name !== undefined && !isUnknown(news.name) && olds.name !== news.name;
}

function nameProblem({ importId, name }: AppInputs): string | undefined {
    return importId === undefined || isUnknown(importId) || isUnknown(name) || importId === name
        ? undefined
        : `"${importId}" cannot be imported, since the app's name is "${name}": they must be the same`;
}

/**
 * @returns whether the app itself is gone
 * @throws Error where the app holds someone else's machines
 */
async function holdsOthersMachines(client: FlyClient, props: AppInputs): Promise<boolean> {
    const machines = await client.find<WireMachine[]>(["apps", props.name, "machines"]);
    if (!machines) {
        return (await getApp(client, props.name)) === undefined;
    }
    const others = othersMachines(machines, props.owner);
    if (others.length > 0) {
        throw new Error(
            `App "${props.name}" is not deleted: it also holds ${listMachines(others)}.\n` +
                `  Remove them first (\`fly machine destroy ID -a ${props.name}\`), or remove the app from ` +
                "the stack with `pulumi state delete`.",
        );
    }
    return false;
}

function toOutputs(
    inputs: WithProvider<AppInputs>,
    found: WireApp,
    knownSlug = inputs.organization,
): AppOutputs {
    return toState({
        ...inputs,
        appId: found.id ?? inputs.name,
        organizationSlug: found.organization?.slug ?? knownSlug,
        hostname: `${inputs.name}.fly.dev`,
    });
}
