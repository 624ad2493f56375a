/**
 * Changing an app's secrets without a restart of the machine that has them as files: a command in the
 * machine says whether it would take the new ones, the secrets are set, so that a restart has them too,
 * and the command takes them.
 */
import { messageOf } from "../../provider.ts";
import type { FlyClient } from "../api/client.ts";
import { withLease } from "../api/lease.ts";
import { runIn, stateOf, type InForce, type Outcome } from "./liveCommand.ts";
import { configOf } from "../describe.ts";
import { secretsVersionOf } from "../machine/config.ts";
import { isOwnedBy, type Owner } from "../ownership.ts";
import type { WireMachine } from "../api/types.ts";
import { deadlineIn } from "../api/wait.ts";

/**
 * `check` and `apply` get a line a secret on standard input, `NAME VALUE`. They end with 0: fine; 1: refused,
 * with the reasons on standard error; 3: only an update of the machine can bring them; 126 or 127: an image
 * that has no such command, and so needs one. `apply` with what the machine has already does nothing.
 */
export interface LiveInputs {
    /** The machine's name in the app. One of another owner is left alone. */
    readonly machine: string;
    readonly owner: Owner;
    /** Changes nothing. */
    readonly check: readonly string[];
    readonly apply: readonly string[];
    /** Tells what is in force: `NUMBER DIGEST RESTART`, the last being the number that a restart brings. */
    readonly state: readonly string[];
}

type Values = Readonly<Record<string, string>>;

/** What is to be changed where, and by what request. */
export interface LiveChange<Answer> {
    readonly app: string;
    readonly live: LiveInputs;
    /** Nothing of them may be shown. */
    readonly files: Readonly<Record<string, string>>;
    /** The least number for the bundle. It gets a higher one where the machine has one as high. */
    readonly least: number;
    /** The bundle's secrets, with this number. */
    readonly valuesOf: (number: number) => Values;
    readonly set: (values: Values) => Promise<Answer>;
}

export interface LiveResult<Answer> {
    /** Of `set`. */
    readonly answer: Answer;
    /** Of the bundle. */
    readonly number: number;
    /** A machine has the new ones only once it is updated. */
    readonly restart: boolean;
    /** Version of the secrets that the running machine was started with. */
    readonly startedWith?: number | undefined;
    /** The secrets are set, but the running machine may not have them. */
    readonly failure?: Error;
}

const WITHIN_S = 120;

/**
 * Changes the secrets, and has the running machine take them. Where none runs, the secrets are all that is
 * changed.
 * @throws when the command refuses them, or cannot be asked: then nothing was changed
 */
export async function changeLive<Answer>(
    client: FlyClient,
    change: LiveChange<Answer>,
): Promise<LiveResult<Answer>> {
    const { app, live, files, least, valuesOf, set } = change;
    const machine = await runningMachine(client, app, live);
    if (!machine) {
        return { answer: await set(valuesOf(least)), number: least, restart: true };
    }
    const place = { app, id: machine.id, owner: live.owner };
    return await withLease(client, place, deadlineIn(WITHIN_S), async (nonce) => {
        const has = await stateOf(client, { app, machine, command: live.state, nonce });
        const number = Math.max(least, (has?.number ?? 0) + 1, (has?.restart ?? 0) + 1);
        const values = valuesOf(number);
        const given = { app, machine, nonce, values, files };
        const run = (command: readonly string[]) => runIn(client, { ...given, command });
        const checked = await run(live.check);
        if (checked.verdict === "refused") {
            throw new Error(
                `Machine ${machine.id} "${live.machine}" refuses the changed secrets ` +
                    `(${checked.exit}). Nothing was changed: the old ones stay in force.` +
                    checked.reasons,
            );
        }
        const result = {
            answer: await set(values),
            number,
            startedWith: secretsVersionOf(configOf(machine)),
        };
        return checked.verdict === "fine"
            ? { ...result, ...(await applied(run, machine, live)) }
            : { ...result, ...restartOf(machine, checked.why) };
    });
}

type Run = (command: readonly string[]) => Promise<Outcome>;

async function applied(
    run: Run,
    machine: WireMachine,
    live: LiveInputs,
): Promise<Pick<LiveResult<unknown>, "restart" | "failure">> {
    const failed = (what: string) => ({
        restart: false,
        failure: new Error(
            `Machine ${machine.id} "${live.machine}" ${what}\n` +
                "  The app's secrets are the new ones. Run `pulumi up` again: it goes on from here.",
        ),
    });
    try {
        const { verdict, why, exit, reasons } = await run(live.apply);
        switch (verdict) {
            case "fine":
                return { restart: false };
            case "restart":
                return restartOf(machine, why);
            case "refused":
                return failed(
                    `has not taken the changed secrets (${exit}) and still has the old ones.${reasons}`,
                );
        }
    } catch (error) {
        return failed(`may not have taken the changed secrets: ${messageOf(error)}`);
    }
}

function restartOf(machine: WireMachine, why: string) {
    console.log(`machine ${machine.id}: takes the changed files by an update (${why})`);
    return { restart: true };
}

/** @returns undefined where no machine of ours runs, or it cannot tell */
export async function inForce(
    client: FlyClient,
    app: string,
    live: LiveInputs,
): Promise<InForce | undefined> {
    const machine = await runningMachine(client, app, live);
    return machine && (await stateOf(client, { app, machine, command: live.state }));
}

/** Ours, and such that a command can be run in it. */
async function runningMachine(
    client: FlyClient,
    app: string,
    live: LiveInputs,
): Promise<WireMachine | undefined> {
    const machines = await client.get<WireMachine[]>(["apps", app, "machines"]);
    return machines.find(
        ({ name, state, config }) =>
            name === live.machine && state === "started" && isOwnedBy(live.owner, config),
    );
}
