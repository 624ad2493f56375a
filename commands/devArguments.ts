/** Pulumi's command line for the `dev` stack: what is added to it, and which commands are not for that stack. */
import { DEV } from "../dev/toolchain/devStack.ts";

/** Commands, with their aliases, that read or write the stack's settings. */
const NEEDS_CONFIG = new Set([
    ...["up", "update", "preview", "pre", "refresh", "destroy", "down", "dn"],
    ...["import", "watch", "logs", "config"],
]);

/** Flags whose value is a word of its own. */
const WITH_VALUE = new Set([
    ...["--color", "-C", "--cwd", "--memprofilerate", "--otel-traces", "--profiling", "--tracing"],
    ...["-v", "--verbose", "-s", "--stack", "--config-file", "--output"],
]);

const OTHERS = `\`npm run pulumi\` is for the stack ${DEV} of this folder; for other stacks and backends use your own Pulumi`;

/** Commands that would leave the stack, or the committed file of its settings, unusable. */
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
            "`npm run local:down` removes the stack with all that belongs to it",
        ]),
    ),
    "stack rename": `this folder's stack is always ${DEV}; a stack of another name is for your own Pulumi`,
    "stack change-secrets-provider":
        "the stack's secrets are by this folder's own passphrase (.local/passphrase); for others use a stack of " +
        "your own Pulumi",
};

/**
 * @param select options that name the stack and its file
 * @throws Error where the command is not for this stack
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
    // Right after the command: what stands behind `--` is no flag.
    return args.toSpliced(words[0]! + 1, 0, ...select);
}

/** From this level on Pulumi's log has each property of each resource. */
const VERBOSE = 9;

/** Variables that make Pulumi write its properties down. */
const DEBUG_VARIABLES = ["PULUMI_DEBUG_COMMANDS", "PULUMI_DEBUG_GRPC"];

/** @returns flags and variables with which Pulumi writes secrets out in plain text */
export function debugging(args: string[], env: NodeJS.ProcessEnv): string[] {
    const end = args.indexOf("--");
    const before = end < 0 ? args : args.slice(0, end);
    return [
        ...before.filter((word) => /^(--debug|-d|--event-log)(=|$)/.test(word)),
        ...(Number(valueOf(args, ["-v", "--verbose"]) ?? 0) >= VERBOSE ? ["-v"] : []),
        ...DEBUG_VARIABLES.filter((name) => (env[name] ?? "") !== ""),
    ];
}

/** Where the words are that are neither flags nor their values. */
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
