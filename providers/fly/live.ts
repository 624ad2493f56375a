/**
 * Changing an app's secrets without a restart of the machine that has them as files: a command in the
 * machine says whether it would take the new ones, the secrets are set, so that a restart has them too,
 * and the command takes them.
 */
import { messageOf } from "../provider.ts";
import type { FlyClient } from "./client.ts";
import { FlyError, isGone, redact, shorten } from "./errors.ts";
import { withLease } from "./lease.ts";
import { isOwnedBy, type Owner } from "./ownership.ts";
import type { WireExec, WireMachine } from "./types.ts";
import { deadlineIn } from "./wait.ts";

/**
 * Both commands get a line a file on standard input, `NAME BASE64`. They end with 0: fine; 1: refused,
 * with the reasons on standard error; 3: only a restart can take them; 126 or 127: an image that has no
 * such command, and so needs a restart. `apply` with what the machine has already does nothing.
 */
export interface LiveInputs {
    /** The machine's name in the app. One of another owner is left alone. */
    readonly machine: string;
    readonly owner: Owner;
    /** Changes nothing. */
    readonly check: readonly string[];
    readonly apply: readonly string[];
    /** Secret → name of its file. A secret that has none here is taken by a restart alone. */
    readonly files: Readonly<Record<string, string>>;
}

/** What is to be changed where, and by what request. */
export interface LiveChange<Answer> {
    readonly app: string;
    readonly live: LiveInputs;
    /** All secrets as they will be; each is base64. */
    readonly values: Readonly<Record<string, string>>;
    /** Those that are set or removed. */
    readonly changed: readonly string[];
    readonly set: () => Promise<Answer>;
}

export interface LiveResult<Answer> {
    /** Of `set`. */
    readonly answer: Answer;
    /** A running machine has the new ones only once it is restarted. */
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
        const byRestart = change.changed.filter((name) => !(name in live.files));
        if (checked.verdict === "fine" && byRestart.length === 0) {
            return { answer, ...(await applied(run, machine, live)) };
        }
        const why = byRestart.length > 0 ? byRestart.join(", ") : checked.why;
        return { answer, ...restartOf(machine, why) };
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
                "  The app's secrets are the new ones, and a restart would bring them into force. " +
                "Run `pulumi up` again: it goes on from here.",
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
    console.log(`machine ${machine.id}: takes the changed secrets by a restart (${why})`);
    return { restart: true };
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

/**
 * Sent again after an answer that was lost: a check changes nothing, and what was applied once is
 * applied already. The lease keeps another run out where Fly asks it of commands too; its own client
 * sends none with them (superfly/fly-go, `Exec`).
 */
async function runIn<Answer>(
    client: FlyClient,
    { app, live, values }: LiveChange<Answer>,
    machine: WireMachine,
    command: readonly string[],
    nonce: string,
): Promise<Outcome> {
    const given = Object.entries(live.files).filter(([secret]) => secret in values);
    const lines = given.map(([secret, file]) => `${file} ${values[secret] ?? ""}\n`);
    const secrets = secretsIn(Object.values(values));
    let answer: WireExec;
    try {
        answer = await client.post<WireExec>(["apps", app, "machines", machine.id, "exec"], {
            body: { command, stdin: lines.join(""), timeout: COMMAND_S },
            nonce,
            safe: true,
            deadlineMs: ANSWER_WITHIN_MS,
            secrets,
        });
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

/** The values as they are sent, and what is in their files: hashes, and the lines of keys. */
function secretsIn(values: readonly string[]): string[] {
    return values.flatMap((value) => {
        const words = Buffer.from(value, "base64")
            .toString()
            .split(/[\s:]+/);
        return [value, ...words.filter((word) => word.length >= MIN_WORD)];
    });
}
