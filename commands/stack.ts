/** Pulumi on the `dev` stack. */
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

/** In the local Fly's directory, as its README says. */
const PUBLIC_CA = "public-ca.pem";

/** @param flyToken for the commands that talk to Fly */
export function devEnvironment(flyToken?: string): NodeJS.ProcessEnv {
    keepPrivate(LOCAL);
    const { passphraseFile } = STACK;
    if (!existsSync(passphraseFile)) {
        // Of two commands started at once, one makes it.
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
    // The user's own passphrase would win over the file, and make a state that only it can open.
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

/**
 * What stands in for the system's trust in public authorities, where TLS is ended by this machine's Fly:
 * Node's own way to one more authority.
 */
export function publicTrust(): NodeJS.ProcessEnv {
    return { NODE_EXTRA_CA_CERTS: path.join(LOCAL_FLY, PUBLIC_CA) };
}

export function devStackExists(): boolean {
    return existsSync(STATE);
}

/**
 * Makes the stack if there is none, and this machine's copy of its file, always. A run that was
 * killed here may have left the salt in the committed file: it is taken from there, and put right.
 */
export async function ensureDevStack(cli: string, env: NodeJS.ProcessEnv): Promise<void> {
    const { file, committed: committedFile } = STACK;
    const found = readFileSync(committedFile, "utf8");
    const foreign = foreignSecretsIn(STACK);
    if (foreign.length > 0) {
        throw new Error(
            `Pulumi.${DEV}.yaml has secrets that this machine has no passphrase for: ${foreign.join(", ")}. ` +
                "Take them out of it, and set them here: `npm run pulumi -- config set --secret KEY`.",
        );
    }
    for (const key of shadowedIn(STACK)) {
        say(
            `${key}: the secret that was set on this machine counts, not what Pulumi.${DEV}.yaml has.`,
        );
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
            `The salt of the stack ${DEV} is lost, and with it its secrets: run npm run local:down.`,
        );
    }
    // `stack init` reformats the file, so without a salt it is as it was found.
    const committed = withoutSalt(found);
    writeStackFile(STACK, salt, committed);
    if (readFileSync(committedFile, "utf8") !== committed) writeFileSync(committedFile, committed);
}

/**
 * A killed `up` leaves its lock behind, which Pulumi honours for ever, and the creates that it had
 * begun, of which every `up` would warn and every `refresh` ask. If the process that took the lock is
 * gone, nobody is working on the stack; and what a create did make, the next one of our providers finds.
 */
export async function releaseDeadLock(cli: string, env: NodeJS.ProcessEnv): Promise<void> {
    const folder = path.join(STACK.backend, ".pulumi", "locks", "organization", PROJECT, DEV);
    if (!existsSync(folder)) return;
    // Beside each lock the file backend keeps its attributes.
    const files = readdirSync(folder).filter((name) => name.endsWith(".json"));
    const locks = files.map(
        (name) => JSON.parse(readFileSync(path.join(folder, name), "utf8")) as Lock,
    );
    const dead = ({ pid, hostname: host }: Lock) =>
        host === hostname() && noteOf(pid) === undefined;
    if (locks.length === 0 || !locks.every(dead)) return;
    say(`The last run was cut short (process ${locks[0]!.pid}): going on from where it ended.`);
    await quietly(cli, ["cancel", "--yes", "--stack", DEV], env);
    if (!hasPendingCreates()) return;
    // The stack alone is read anew: the rest is of no matter here, and Fly may be out of reach.
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
 * Runs the CLI with its output on the screen. An `up` whose broker no client will get to is ended as by Ctrl-C.
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
        // The engine stops by itself on Ctrl-C, finishing what it has begun.
        process.on("SIGINT", () => {});
        process.on("SIGTERM", () => child.kill("SIGTERM"));
    });
}

/** Runs a command that a user gave, and keeps what it changes in the stack's settings. @returns the exit code */
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

/** Whether a command that was given this stack, or none, is for this machine's. */
export function meansDev(stack: string | undefined): boolean {
    return stack === DEV || (stack === undefined && devStackExists());
}

/** Outputs of a stack as JSON text; secrets are `[secret]` unless asked for. */
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
