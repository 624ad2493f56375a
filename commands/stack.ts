/** Runs Pulumi on the `dev` stack. */
import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import {
    existsSync,
    linkSync,
    mkdirSync,
    readdirSync,
    readFileSync,
    rmSync,
    writeFileSync,
} from "node:fs";
import { hostname } from "node:os";
import path from "node:path";
import { noteOf } from "../dev/fly/processes.ts";
import {
    DEV,
    devStackIn,
    foreignSecretsIn,
    keepStackFile,
    saltIn,
    shadowedIn,
    sizeProblemIn,
    withoutSalt,
    writeStackFile,
} from "../dev/toolchain/devStack.ts";
import { LOCAL, LOCAL_FLY, ROOT } from "../lib/paths.ts";
import { keepPrivate } from "../lib/privateFiles.ts";
import { capture, say, type Captured } from "../lib/process.ts";
import { pulumiCli } from "../dev/toolchain/pulumi.ts";
import { watchPorts, type LocalFly } from "./fly.ts";

const PROJECT = "appkata-mqtt";

const STACK = devStackIn(ROOT);
const STATE = path.join(STACK.backend, ".pulumi", "stacks", PROJECT, `${DEV}.json`);

/** Arguments that select the stack, for commands that read its configuration. */
export const DEV_OPTIONS = STACK.select;

/** File name in the local Fly's directory, as dev/fly's README documents. */
const PUBLIC_CA = "public-ca.pem";

/**
 * Environment of Pulumi on the dev stack. Creates its passphrase and backend if needed.
 * @param flyToken needed by commands that talk to Fly
 */
export function devEnvironment(flyToken?: string): NodeJS.ProcessEnv {
    keepPrivate(LOCAL);
    const { passphraseFile } = STACK;
    if (!existsSync(passphraseFile)) {
        // `linkSync` fails if the file exists, so of two commands started at once only one creates it.
        const made = `${passphraseFile}.${process.pid}`;
        writeFileSync(made, randomBytes(32).toString("hex"), { mode: 0o600 });
        try {
            linkSync(made, passphraseFile);
        } catch (error) {
            if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
        } finally {
            rmSync(made);
        }
    }
    mkdirSync(STACK.backend, { recursive: true });
    // A passphrase in the user's environment would take precedence over the file and encrypt a state
    // that only it can decrypt.
    const inherited = { ...process.env };
    delete inherited.PULUMI_CONFIG_PASSPHRASE;
    return {
        ...inherited,
        ...STACK.env,
        PULUMI_STACK: DEV,
        ...publicTrust(),
        ...(flyToken !== undefined && { FLY_API_TOKEN: flyToken }),
    };
}

/** Makes Node trust the local Fly's CA, which stands in for the public ones where Fly ends TLS. */
export function publicTrust(): NodeJS.ProcessEnv {
    return { NODE_EXTRA_CA_CERTS: path.join(LOCAL_FLY, PUBLIC_CA) };
}

export function devStackExists(): boolean {
    return existsSync(STATE);
}

/**
 * Creates the stack if it does not exist, and always writes this machine's copy of its settings file. A
 * run that was killed here may have left the salt in the committed file: the salt is taken from there
 * and the file restored.
 */
export async function ensureDevStack(cli: string, env: NodeJS.ProcessEnv): Promise<void> {
    const { file, committed: committedFile } = STACK;
    const found = readFileSync(committedFile, "utf8");
    const foreign = foreignSecretsIn(STACK);
    if (foreign.length > 0) {
        throw new Error(
            `Pulumi.${DEV}.yaml has secrets that this machine has no passphrase for: ${foreign.join(", ")}. ` +
                "Remove them from the file and set them here: `npm run pulumi -- config set --secret KEY`.",
        );
    }
    const tooLarge = sizeProblemIn(found);
    if (tooLarge !== undefined) say(`Pulumi.${DEV}.yaml: ${tooLarge}`);
    for (const key of shadowedIn(STACK)) {
        say(`${key}: the secret set on this machine overrides the value in Pulumi.${DEV}.yaml.`);
    }
    let salt = saltIn(file) ?? saltIn(committedFile);
    if (!devStackExists()) {
        const made = await capture([cli, "stack", "init", DEV, "--non-interactive"], {
            env,
            cwd: ROOT,
        });
        salt = saltIn(committedFile);
        if (made.code !== 0) writeFileSync(committedFile, withoutSalt(found));
        if (made.code !== 0) throw new Error(`pulumi stack init ${DEV} failed:\n${made.stderr}`);
    }
    if (salt === undefined) {
        throw new Error(
            `The salt of the stack ${DEV} is lost, so its secrets cannot be decrypted: run npm run local:down.`,
        );
    }
    // `stack init` reformats the file, so restore it as it was found, without a salt.
    const committed = withoutSalt(found);
    writeStackFile(STACK, salt, committed);
    if (readFileSync(committedFile, "utf8") !== committed) writeFileSync(committedFile, committed);
}

/**
 * Releases what a killed `up` left behind: its lock, which Pulumi never expires, and its pending
 * creates, which every `up` would warn about and every `refresh` ask about. Once the process that took
 * the lock is gone, nothing works on the stack, and the next create of our providers finds what the
 * killed one made.
 */
export async function releaseDeadLock(cli: string, env: NodeJS.ProcessEnv): Promise<void> {
    const folder = path.join(STACK.backend, ".pulumi", "locks", "organization", PROJECT, DEV);
    if (!existsSync(folder)) return;
    // The file backend keeps each lock's attributes in a file beside it.
    const files = readdirSync(folder).filter((name) => name.endsWith(".json"));
    const locks = files.map(
        (name) => JSON.parse(readFileSync(path.join(folder, name), "utf8")) as Lock,
    );
    const dead = ({ pid, hostname: host }: Lock) =>
        host === hostname() && noteOf(pid) === undefined;
    if (locks.length === 0 || !locks.every(dead)) return;
    say(`The last run was killed (process ${locks[0]!.pid}): continuing from where it stopped.`);
    await quietly(cli, ["cancel", "--yes", "--stack", DEV], env);
    if (!hasPendingCreates()) return;
    // Refresh only the stack resource: the others do not matter here, and Fly may be unreachable.
    const stack = `urn:pulumi:${DEV}::${PROJECT}::pulumi:pulumi:Stack::${PROJECT}-${DEV}`;
    const clear = ["refresh", "--clear-pending-creates", "--target", stack, "--yes"];
    await quietly(cli, [...clear, "--skip-preview", "--non-interactive", ...DEV_OPTIONS], env);
}

function hasPendingCreates(): boolean {
    const { checkpoint } = JSON.parse(readFileSync(STATE, "utf8")) as {
        checkpoint: { latest?: { pending_operations?: { type: string }[] } };
    };
    return (checkpoint.latest?.pending_operations ?? []).some(({ type }) => type === "creating");
}

async function quietly(cli: string, args: string[], env: NodeJS.ProcessEnv): Promise<void> {
    const { code, stdout, stderr } = await capture([cli, ...args], { env, cwd: ROOT });
    if (code !== 0) throw new Error(`pulumi ${args[0]} failed:\n${stdout}${stderr}`);
}

interface Lock {
    pid: number;
    hostname: string;
}

/**
 * Runs the CLI with its output on the screen. Interrupts an `up`, as Ctrl-C would, when clients cannot
 * reach its ports.
 * @returns the exit code
 */
export function runPulumi(
    cli: string,
    args: string[],
    env: NodeJS.ProcessEnv,
    fly: LocalFly,
): Promise<number> {
    return new Promise((resolve, reject) => {
        const child = spawn(cli, args, { cwd: ROOT, env, stdio: "inherit" });
        const refused = (text: string) => {
            say(text);
            child.kill("SIGINT");
        };
        const stopWatching = args[0] === "up" ? watchPorts(fly, refused) : () => {};
        child.on("error", reject);
        child.on("exit", (code) => {
            stopWatching();
            resolve(code ?? 1);
        });
        // On Ctrl-C the engine itself stops, after finishing the operations under way.
        process.on("SIGINT", () => {});
        process.on("SIGTERM", () => child.kill("SIGTERM"));
    });
}

/**
 * Runs a user's command and saves its changes to the stack's settings.
 * @returns the exit code
 */
export async function runOnDev(
    cli: string,
    args: string[],
    env: NodeJS.ProcessEnv,
    fly: LocalFly,
): Promise<number> {
    const before = readFileSync(STACK.file, "utf8");
    try {
        return await runPulumi(cli, args, env, fly);
    } finally {
        keepStackFile(STACK, before);
    }
}

/** Whether a command given this stack, or none, means this machine's dev stack. */
export function meansDev(stack: string | undefined): boolean {
    return stack === DEV || (stack === undefined && devStackExists());
}

/** Reads a stack's outputs as JSON text; secrets read `[secret]` unless requested. */
export async function stackOutputs(
    stack: string | undefined,
    showSecrets: boolean,
): Promise<Captured> {
    const useDev = meansDev(stack);
    const args = ["stack", "output", "--json", "--non-interactive"];
    if (showSecrets) args.push("--show-secrets");
    if (useDev) args.push("--stack", DEV);
    else if (stack !== undefined) args.push("--stack", stack);
    const env = useDev ? devEnvironment() : process.env;
    return capture([useDev ? pulumiCli() : "pulumi", ...args], { cwd: ROOT, env });
}
