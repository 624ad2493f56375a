/**
 * Checks and completes Pulumi's command line for the `dev` stack: adds its options and refuses commands
 * that are not for it.
 */
import { DEV } from "../dev/toolchain/devStack.ts";

/** Commands and aliases that read or write the stack's settings. */
const NEEDS_CONFIG = new Set([
    ...["up", "update", "preview", "pre", "refresh", "destroy", "down", "dn"],
    ...["import", "watch", "logs", "config"],
]);

/** Flags that take their value from the next word. */
const WITH_VALUE = new Set([
    ...["--color", "-C", "--cwd", "--memprofilerate", "--otel-traces", "--profiling", "--tracing"],
    ...["-v", "--verbose", "-s", "--stack", "--config-file", "--output"],
]);

const OTHERS = `\`npm run pulumi\` works on this folder's stack ${DEV}; for other stacks and backends use your own Pulumi`;

/** Commands that would make the stack or its committed settings file unusable. */
const REFUSED: Readonly<Record<string, string>> = {
    ...Object.fromEntries(
        [
            "stack init",
            "stack new",
            "stack select",
            "stack unselect",
            "config cp",
            "config copy",
        ].map((command) => [command, OTHERS]),
    ),
    ...Object.fromEntries(["new", "login", "logout"].map((command) => [command, OTHERS])),
    ...Object.fromEntries(
        ["stack rm", "stack remove"].map((command) => [
            command,
            "`npm run local:down` removes the stack and everything that belongs to it",
        ]),
    ),
    "stack rename": `this folder's stack is always ${DEV}; for a stack with another name use your own Pulumi`,
    "stack change-secrets-provider":
        "the stack's secrets are encrypted with this folder's passphrase (.local/passphrase); for another provider use a " +
        "stack of your own Pulumi",
};

/**
 * Adds the options that select the dev stack to a command line.
 * @param select options that name the stack and its file
 * @throws Error when the command is not for this stack
 */
export function devArguments(args: string[], select: string[]): string[] {
    const words = wordsIn(args);
    const [command = "", sub = ""] = words.map((at) => args[at]!);
    const refusal = REFUSED[`${command} ${sub}`] ?? REFUSED[command];
    if (refusal !== undefined) {
        const asked = REFUSED[command] === undefined ? `${command} ${sub}` : command;
        throw new Error(`pulumi ${asked}: ${refusal}.`);
    }
    const stack = valueOf(args, ["-s", "--stack"]);
    if (stack !== undefined && stack !== DEV) throw new Error(`--stack ${stack}: ${OTHERS}.`);
    if (!NEEDS_CONFIG.has(command) || valueOf(args, ["--config-file"]) !== undefined) return args;
    // Insert right after the command: words after `--` are not flags.
    return args.toSpliced(words[0]! + 1, 0, ...select);
}

/** From this verbosity on, Pulumi logs every property of every resource. */
const VERBOSE = 9;

/** Environment variables that make Pulumi log properties. */
const DEBUG_VARIABLES = ["PULUMI_DEBUG_COMMANDS", "PULUMI_DEBUG_GRPC"];

/** Lists the flags and variables that make Pulumi print secrets in plain text. */
export function secretRevealingOptions(args: string[], env: NodeJS.ProcessEnv): string[] {
    const end = args.indexOf("--");
    const before = end < 0 ? args : args.slice(0, end);
    return [
        ...before.filter((word) => /^(--debug|-d|--event-log)(=|$)/.test(word)),
        ...(Number(valueOf(args, ["-v", "--verbose"]) ?? 0) >= VERBOSE ? ["-v"] : []),
        ...DEBUG_VARIABLES.filter((name) => (env[name] ?? "") !== ""),
    ];
}

/** Positions of the words that are neither flags nor flag values. */
function wordsIn(args: string[]): number[] {
    const words: number[] = [];
    for (let at = 0; at < args.length && args[at] !== "--"; at++) {
        if (WITH_VALUE.has(args[at]!)) at++;
        else if (!args[at]!.startsWith("-")) words.push(at);
    }
    return words;
}

function valueOf(args: string[], flags: string[]): string | undefined {
    const end = args.indexOf("--");
    const before = end < 0 ? args : args.slice(0, end);
    for (const [at, word] of before.entries()) {
        if (flags.includes(word)) return before[at + 1];
        const flag = flags.find((one) => word.startsWith(one.startsWith("--") ? `${one}=` : one));
        if (flag !== undefined) return word.slice(flag.length).replace(/^=/, "");
    }
    return undefined;
}
