/** Runs the commands of `LiveInputs` in a machine, and reads their results. */
import { FlyError, isGone, redact, shorten } from "../api/errors.ts";
import type { MachineApi } from "../api/machineApi.ts";
import type { WireExec } from "../api/types.ts";

/** Below Fly's limit for a command: a minute. */
const COMMAND_S = 45;
const ANSWER_WITHIN_MS = 60_000;

/** Files in force in a machine. */
export interface InForce {
    /** Number of the bundle. */
    readonly number: number;
    /** Digest of its files, as by `digestOf`. */
    readonly digest: string;
    /** Number of the bundle that would be in force after a restart. */
    readonly restart: number;
}

/** Asks the machine which files are in force. @returns undefined where it cannot tell */
export async function stateOf(
    machine: MachineApi,
    command: readonly string[],
): Promise<InForce | undefined> {
    try {
        const { stdout } = await exec(machine, command);
        return parseState(stdout ?? "");
    } catch (error) {
        if (error instanceof FlyError) {
            console.log(`machine ${machine.id}: cannot be asked for its files (${error.message})`);
            return undefined;
        }
        throw error;
    }
}

/** @param line `NUMBER DIGEST RESTART` */
export function parseState(line: string): InForce | undefined {
    const [, number, digest, restart] = /^(\d+) ([0-9a-f]{64}) (\d+)$/.exec(line.trim()) ?? [];
    return digest === undefined
        ? undefined
        : { number: Number(number), digest, restart: Number(restart) };
}

export interface Outcome {
    readonly verdict: "fine" | "refused" | "restart";
    /** Why a restart is needed. */
    readonly why: string;
    /** `exit code 1` */
    readonly exit: string;
    /** Its standard error, indented and without secrets. */
    readonly reasons: string;
}

export interface Given {
    readonly values: Readonly<Record<string, string>>;
    readonly files: Readonly<Record<string, string>>;
}

/** Runs `check` or `apply`. */
export async function runIn(
    machine: MachineApi,
    command: readonly string[],
    { values, files }: Given,
): Promise<Outcome> {
    const stdin = Object.entries(values)
        .map(([name, value]) => `${name} ${value}\n`)
        .join("");
    const secrets = [...Object.values(values), ...secretsIn(files)];
    let answer: WireExec;
    try {
        answer = await exec(machine, command, { stdin, secrets });
    } catch (error) {
        if (isGone(error) || (error instanceof FlyError && isNotStarted(error))) {
            return outcome("restart", "it has been stopped");
        }
        throw error;
    }
    // Fly may omit zeros.
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

/**
 * Runs a command. Repeats it after a lost answer, since the commands are idempotent. Under a lease it carries the
 * nonce, in case Fly checks it for commands too; Fly's own client does not send it (superfly/fly-go, `Exec`).
 */
async function exec(
    machine: MachineApi,
    command: readonly string[],
    { stdin, secrets = [] }: { readonly stdin?: string; readonly secrets?: readonly string[] } = {},
): Promise<WireExec> {
    return await machine.post<WireExec>(["exec"], {
        body: { command, ...(stdin !== undefined && { stdin }), timeout: COMMAND_S },
        secrets,
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

/** Shorter words are not redacted: they are names and numbers, which messages need. */
const MIN_WORD = 32;

/** Lists the secrets in the files: hashes, and lines of keys. */
function secretsIn(files: Readonly<Record<string, string>>): string[] {
    return Object.values(files).flatMap((text) =>
        text.split(/[\s:]+/).filter((word) => word.length >= MIN_WORD),
    );
}
