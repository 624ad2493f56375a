/**
 * Changing an app's secrets without a restart of the machine that has them as files: a command in the
 * machine says whether it would take the new ones, the secrets are set, so that a restart has them too,
 * and the command takes them.
 */
import { messageOf } from "../../provider.ts";
import type { FlyClient } from "../api/client.ts";
import { FlyError, isGone, redact, shorten } from "../api/errors.ts";
import { withLease } from "../api/lease.ts";
import { isOwnedBy, type Owner } from "../ownership.ts";
import type { WireExec, WireMachine } from "../api/types.ts";
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

/** What is to be changed where, and by what request. */
export interface LiveChange<Answer> {
    readonly app: string;
    readonly live: LiveInputs;
    /** The bundle's secrets as they will be. */
    readonly values: Readonly<Record<string, string>>;
    /** Their files, of which nothing may be shown. */
    readonly files: Readonly<Record<string, string>>;
    readonly set: () => Promise<Answer>;
}

export interface LiveResult<Answer> {
    /** Of `set`. */
    readonly answer: Answer;
    /** A machine has the new ones only once it is updated. */
    readonly restart: boolean;
    /** The secrets are set, but the running machine may not have them. */
    readonly failure?: Error;
}

/** For all of it, and for one command; Fly lets a command run for at most a minute. */
const WITHIN_S = 120;
const COMMAND_S = 45;
const ANSWER_WITHIN_MS = 60_000;

/**
 * With no running machine the secrets are all that is changed.
 * @throws when the command refuses them, or cannot be asked: then nothing was changed
 */
export async function changeLive<Answer>(
    client: FlyClient,
    change: LiveChange<Answer>,
): Promise<LiveResult<Answer>> {
    const { app, live, set } = change;
    const machine = await runningMachine(client, app, live);
    if (!machine) {
        return { answer: await set(), restart: true };
    }
    const place = { app, id: machine.id, owner: live.owner };
    return await withLease(client, place, deadlineIn(WITHIN_S), async (nonce) => {
        const run = (command: readonly string[]) => runIn(client, change, machine, command, nonce);
        const checked = await run(live.check);
        if (checked.verdict === "refused") {
            throw new Error(
                `Machine ${machine.id} "${live.machine}" refuses the changed secrets ` +
                    `(${checked.exit}). Nothing was changed: the old ones stay in force.` +
                    checked.reasons,
            );
        }
        const answer = await set();
        return checked.verdict === "fine"
            ? { answer, ...(await applied(run, machine, live)) }
            : { answer, ...restartOf(machine, checked.why) };
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

/** What a machine has in force. */
export interface InForce {
    /** Of the bundle. */
    readonly number: number;
    /** Of its files, as `digestOf` makes it. */
    readonly digest: string;
    /** Of the bundle that a restart brings. */
    readonly restart: number;
}

/** @returns undefined where no machine of ours runs, or it cannot tell */
export async function inForce(
    client: FlyClient,
    app: string,
    live: LiveInputs,
): Promise<InForce | undefined> {
    const machine = await runningMachine(client, app, live);
    if (!machine) {
        return undefined;
    }
    try {
        const answer = await exec(client, { app, machine, command: live.state });
        const [, number, digest, restart] =
            /^(\d+) ([0-9a-f]{64}) (\d+)$/.exec(answer.stdout?.trim() ?? "") ?? [];
        return digest === undefined
            ? undefined
            : { number: Number(number), digest, restart: Number(restart) };
    } catch (error) {
        if (error instanceof FlyError) {
            console.log(`machine ${machine.id}: cannot be asked for its files (${error.message})`);
            return undefined;
        }
        throw error;
    }
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

interface Outcome {
    readonly verdict: "fine" | "refused" | "restart";
    /** Why a restart is needed. */
    readonly why: string;
    /** `exit code 1` */
    readonly exit: string;
    /** What it wrote to standard error, a line each, indented; without secrets. */
    readonly reasons: string;
}

async function runIn<Answer>(
    client: FlyClient,
    { app, values, files }: LiveChange<Answer>,
    machine: WireMachine,
    command: readonly string[],
    nonce: string,
): Promise<Outcome> {
    const stdin = Object.entries(values)
        .map(([name, value]) => `${name} ${value}\n`)
        .join("");
    const secrets = [...Object.values(values), ...secretsIn(files)];
    let answer: WireExec;
    try {
        answer = await exec(client, { app, machine, command, stdin, nonce, secrets });
    } catch (error) {
        if (isGone(error) || (error instanceof FlyError && isNotStarted(error))) {
            return outcome("restart", "it has stopped meanwhile");
        }
        throw error;
    }
    // What is 0 may be left out.
    const { exit_code: code = 0, exit_signal: signal = 0, stderr } = answer;
    const exit = signal > 0 ? `killed by signal ${signal}` : `exit code ${code}`;
    const said = linesOf(redact(stderr ?? "", secrets));
    if (code === 0 && signal === 0) {
        return outcome("fine", "");
    }
    if (code === 126 || code === 127) {
        return outcome("restart", "its image has no such command");
    }
    if (code === RESTART_NEEDED) {
        return outcome("restart", said.join(" ") || exit);
    }
    return {
        ...outcome("refused", exit, exit),
        reasons: said.map((line) => `\n  ${line}`).join(""),
    };
}

interface Exec {
    readonly app: string;
    readonly machine: WireMachine;
    readonly command: readonly string[];
    readonly stdin?: string;
    readonly nonce?: string;
    readonly secrets?: readonly string[];
}

/**
 * Sent again after an answer that was lost: a check changes nothing, and what was applied once is
 * applied already. The lease keeps another run out where Fly asks it of commands too; its own client
 * sends none with them (superfly/fly-go, `Exec`).
 */
async function exec(
    client: FlyClient,
    { app, machine, command, stdin, nonce, secrets }: Exec,
): Promise<WireExec> {
    return await client.post<WireExec>(["apps", app, "machines", machine.id, "exec"], {
        body: { command, ...(stdin !== undefined && { stdin }), timeout: COMMAND_S },
        ...(nonce !== undefined && { nonce }),
        ...(secrets !== undefined && { secrets }),
        safe: true,
        deadlineMs: ANSWER_WITHIN_MS,
    });
}

const RESTART_NEEDED = 3;

function outcome(verdict: Outcome["verdict"], why: string, exit = ""): Outcome {
    return { verdict, why, exit, reasons: "" };
}

/** `failed_precondition: machine not started, currently stopped` */
function isNotStarted({ status, text }: FlyError): boolean {
    return (status === 412 || status === 400) && /not (started|running)/i.test(text);
}

const MAX_LINES = 20;

function linesOf(text: string): string[] {
    const lines = text.split("\n").map(shorten);
    return lines.filter((line) => line !== "").slice(0, MAX_LINES);
}

/** Shorter words of a file are names and numbers, without which nobody understands what is said of it. */
const MIN_WORD = 32;

/** What is in the files: hashes, and the lines of keys. */
function secretsIn(files: Readonly<Record<string, string>>): string[] {
    return Object.values(files).flatMap((text) =>
        text.split(/[\s:]+/).filter((word) => word.length >= MIN_WORD),
    );
}
