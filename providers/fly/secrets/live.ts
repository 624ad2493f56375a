/**
 * Changes app secrets without restarting the machine that has them as files: runs a command in the machine that
 * checks the new ones, sets the secrets, so that a restart has them too, and runs a command that applies them.
 */
import { messageOf } from "../../provider.ts";
import type { AppOnFly } from "../api/client.ts";
import { MachineApi } from "../api/machineApi.ts";
import { runIn, stateOf, type InForce, type Outcome } from "./liveCommand.ts";
import { configOf } from "../describe.ts";
import { secretsVersionOf } from "../machine/config.ts";
import { withLease } from "../machine/lease.ts";
import { isOwnedBy, type Owner } from "../ownership.ts";
import type { WireMachine } from "../api/types.ts";
import { deadlineIn } from "../api/wait.ts";

/**
 * Commands in the machine. `check` and `apply` get one line per secret on standard input, `NAME VALUE`. Exit code 0:
 * done; 1: refused, with the reasons on standard error; 3: only an update of the machine can apply them; 126 or
 * 127: the image has no such command, so the machine needs an update. `apply` is idempotent.
 */
export interface LiveInputs {
    /** The machine's name in the app. A machine of another owner is left alone. */
    readonly machine: string;
    readonly owner: Owner;
    /** Checks the secrets without changing anything. */
    readonly check: readonly string[];
    readonly apply: readonly string[];
    /** Prints what is in force: `NUMBER DIGEST RESTART`, where RESTART is the bundle's number after a restart. */
    readonly state: readonly string[];
}

type Values = Readonly<Record<string, string>>;

/** A change of secrets: where, with which files, and by which request. */
export interface LiveChange<Answer> extends AppOnFly {
    readonly live: LiveInputs;
    /** Contents to redact in errors. */
    readonly files: Readonly<Record<string, string>>;
    /** Lowest number for the bundle; it must also exceed the machine's. */
    readonly least: number;
    /** Renders the bundle's secrets with this number. */
    readonly valuesOf: (number: number) => Values;
    readonly set: (values: Values) => Promise<Answer>;
}

export interface LiveResult<Answer> {
    /** Answer of `set`. */
    readonly answer: Answer;
    /** Number of the bundle. */
    readonly number: number;
    /** Whether a machine gets the new secrets only by an update. */
    readonly restart: boolean;
    /** Version of the secrets that the running machine was started with. */
    readonly startedWith?: number | undefined;
    /** The secrets are set, but the running machine may not have them. */
    readonly failure?: Error;
}

const WITHIN_S = 120;

/**
 * Changes the secrets and applies them to the running machine. Where none runs, it only sets the secrets.
 * @throws Error where the command refuses them or cannot run; then nothing was changed
 */
export async function changeLive<Answer>(change: LiveChange<Answer>): Promise<LiveResult<Answer>> {
    const { live, files, least, valuesOf, set } = change;
    const machine = await runningMachine(change, live);
    if (!machine) {
        return { answer: await set(valuesOf(least)), number: least, restart: true };
    }
    const api = new MachineApi(change, machine.id);
    const wait = { owner: live.owner, deadline: deadlineIn(WITHIN_S) };
    return await withLease(api, wait, async (leased) => {
        const has = await stateOf(leased, live.state);
        const number = Math.max(least, (has?.number ?? 0) + 1, (has?.restart ?? 0) + 1);
        const values = valuesOf(number);
        const run = (command: readonly string[]) => runIn(leased, command, { values, files });
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
                "  The app has the new secrets. Run `pulumi up` again: it continues from here.",
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
    console.log(`machine ${machine.id}: needs an update to take the changed files (${why})`);
    return { restart: true };
}

/** @returns the files in force; undefined where no machine of ours runs, or it cannot tell */
export async function inForce(at: AppOnFly, live: LiveInputs): Promise<InForce | undefined> {
    const machine = await runningMachine(at, live);
    return machine && (await stateOf(new MachineApi(at, machine.id), live.state));
}

/** Finds our machine, if a command can run in it. */
async function runningMachine(
    { client, app }: AppOnFly,
    live: LiveInputs,
): Promise<WireMachine | undefined> {
    const machines = await client.get<WireMachine[]>(["apps", app, "machines"]);
    return machines.find(
        ({ name, state, config }) =>
            name === live.machine && state === "started" && isOwnedBy(live.owner, config),
    );
}
