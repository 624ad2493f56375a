/** Provider of a machine. Create and update wait until its health checks pass. */
import {
    diffProperties,
    failuresOf,
    isUnknown,
    PartialFailure,
    toState,
    type Provider,
    type WithProvider,
} from "../../provider.ts";
import { flyClient } from "../api/client.ts";
import { MachineApi } from "../api/machineApi.ts";
import { configure } from "../api/token.ts";
import { deadlineIn } from "../api/wait.ts";
import { isReachable } from "../describe.ts";
import { importProblem } from "../ownership.ts";
import { refuseProtected } from "../protection.ts";
import { guestProblems } from "../rules.ts";
import { changeOf } from "./change.ts";
import { undeclaredDrift } from "./config.ts";
import { configDifferences } from "./configDiff.ts";
import { convergeMachine, UpdateFailed } from "./converge.ts";
import { ensureMachine } from "./create.ts";
import { MACHINE_RULES, type MachineInputs, type MachineOutputs } from "./inputs.ts";
import { removeMachine } from "./power.ts";
import { imageProblem, isDown, isReplaced, mountsOtherVolume } from "./rules.ts";
import { inputsFrom, toOutputs } from "./state.ts";
import { waitForHealthy } from "./wait.ts";

const TIMEOUTS_S = { create: 300, update: 300, delete: 180 };

export const machine: Provider<MachineInputs, MachineOutputs> = {
    configure,

    check(olds, news) {
        const guest = isUnknown(news.config) ? undefined : news.config.guest;
        const problems = !guest || isUnknown(guest) ? [] : guestProblems(guest);
        const replaced = isReplaced(olds, news);
        const failures = failuresOf([
            ["importId", importProblem(olds, news, replaced)],
            ["name", news.name ? undefined : "a machine needs a name"],
            ["region", news.region ? undefined : "a machine needs a region"],
            ["config.image", imageProblem(news.config)],
            ...problems.map((problem) => ["config.guest", problem] as const),
        ]);
        return Promise.resolve({ inputs: news, failures });
    },

    diff(_id, olds, news) {
        const { changed: all, replaces } = diffProperties<MachineInputs>(olds, news, MACHINE_RULES);
        const mayBeLive = isUnknown(news.secretsVersion) && news.newestSecretsVersion !== undefined;
        const changed = all.filter((key) => !(key === "secretsVersion" && mayBeLive));
        const configChanged =
            isUnknown(news.config) || configDifferences(news.config, olds.config).length > 0;
        const otherVolume = !isUnknown(news.config) && mountsOtherVolume(olds.config, news.config);
        const stopped = isDown(olds.state, news.config);
        const drifted = (olds.drift ?? []).length > 0;
        return Promise.resolve({
            changes: changed.length > 0 || configChanged || stopped || drifted,
            replaces: otherVolume ? [...replaces, "config"] : replaces,
            // A name is unique in the app, and a volume attaches to one machine at a time.
            deleteBeforeReplace: !replaces.includes("app"),
        });
    },

    async create(inputs) {
        const change = changeOf(inputs, inputs.timeouts?.create ?? TIMEOUTS_S.create);
        const { machine: known, launched } = await ensureMachine(change);
        try {
            const made = launched
                ? await waitForHealthy(new MachineApi(change, known.id), {
                      ...change,
                      instanceId: known.instance_id,
                      fresh: true,
                  })
                : await convergeMachine(change, known);
            return { id: made.id, outs: toOutputs(inputs, made) };
        } catch (error) {
            const machine = error instanceof UpdateFailed ? error.machine : undefined;
            throw new PartialFailure(known.id, toOutputs(inputs, machine ?? known), error);
        }
    },

    async read(id, props) {
        if (!props) {
            throw new Error("A machine's state has no properties: it cannot be read.");
        }
        const found = await machineOf(props, id).find();
        if (!found) {
            return {};
        }
        const inputs = inputsFrom(props, found);
        const drift = undeclaredDrift(inputs, found);
        return {
            id,
            props: { ...toOutputs(inputs, found), ...(drift.length > 0 && { drift }) },
            inputs: toState(inputs) as MachineOutputs,
        };
    },

    async update(id, olds, news) {
        const observed = await machineOf(news, id).find();
        if (!observed) {
            throw new Error(
                `Machine ${id} of app "${news.app}" is not at ${news.endpoint}.\n` +
                    "  If someone destroyed it, run `pulumi up --refresh`.",
            );
        }
        if (!isReachable(observed)) {
            if (isOnlyRecorded(olds, news)) {
                return { outs: toOutputs(news, observed) };
            }
            throw new Error(
                `Machine ${id} cannot be changed: Fly cannot reach its host.\n` +
                    "  Wait until it is back, or see docs/host-gone.md.",
            );
        }
        const change = changeOf(news, news.timeouts?.update ?? TIMEOUTS_S.update);
        try {
            return { outs: toOutputs(news, await convergeMachine(change, observed)) };
        } catch (error) {
            if (!(error instanceof UpdateFailed) || !error.machine) {
                throw error;
            }
            // The state records what runs, so that the next `up` tries again.
            const actual = inputsFrom({ ...olds, endpoint: news.endpoint }, error.machine);
            const properties: WithProvider<object> = {
                ...toOutputs(actual, error.machine),
                ...providerOf(news),
            };
            throw new PartialFailure(id, properties, error);
        }
    },

    async delete(id, props) {
        refuseProtected(`Machine ${id} "${props.name}"`, props);
        const deadline = deadlineIn(props.timeouts?.delete ?? TIMEOUTS_S.delete);
        await removeMachine(machineOf(props, id), deadline);
    },
};

function machineOf({ endpoint, app }: MachineInputs, id: string): MachineApi {
    return new MachineApi({ client: flyClient(endpoint), app }, id);
}

/** Tells whether the change only concerns the state, not Fly. */
function isOnlyRecorded(olds: MachineOutputs, news: MachineInputs): boolean {
    const { changed } = diffProperties<MachineInputs>(olds, news, MACHINE_RULES);
    return (
        changed.every((key) => key === "protectedBy" || key === "endpoint") &&
        configDifferences(news.config, olds.config).length === 0
    );
}

function providerOf(inputs: WithProvider<object>): WithProvider<object> {
    return inputs.__provider === undefined ? {} : { __provider: inputs.__provider };
}
