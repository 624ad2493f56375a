/**
 * Pulumi on the `dev` stack: its state, passphrase and configuration live in `.local/`, so neither a
 * user's backend nor the committed stack file is touched.
 */
import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { BIN, LOCAL, PULUMI_HOME, ROOT } from "../toolchain/paths.ts";
import { capture, type Captured } from "../toolchain/process.ts";
import { pulumiCli } from "../toolchain/pulumi.ts";

export const DEV = "dev";

const BACKEND = path.join(LOCAL, "pulumi");
const PASSPHRASE_FILE = path.join(LOCAL, "passphrase");
const STACK_FILE = path.join(ROOT, `Pulumi.${DEV}.yaml`);
/** The committed stack file and this machine's salt, which `stack init` would write into it. */
const LOCAL_STACK_FILE = path.join(LOCAL, `Pulumi.${DEV}.yaml`);

const SALT = /^encryptionsalt: .*\n?/m;

/** @param flyToken for the commands that talk to Fly */
export function devEnvironment(flyToken?: string): NodeJS.ProcessEnv {
    if (!existsSync(PASSPHRASE_FILE)) {
        mkdirSync(LOCAL, { recursive: true, mode: 0o700 });
        writeFileSync(PASSPHRASE_FILE, randomBytes(32).toString("hex"), { mode: 0o600 });
    }
    mkdirSync(BACKEND, { recursive: true });
    return {
        ...process.env,
        PATH: [BIN, process.env.PATH].join(path.delimiter),
        PULUMI_HOME,
        PULUMI_BACKEND_URL: `file://${BACKEND}`,
        PULUMI_CONFIG_PASSPHRASE_FILE: PASSPHRASE_FILE,
        PULUMI_SKIP_UPDATE_CHECK: "true",
        ...(flyToken !== undefined && { FLY_API_TOKEN: flyToken }),
    };
}

export function devStackExists(): boolean {
    return existsSync(path.join(BACKEND, ".pulumi", "stacks", "appkata-mqtt", `${DEV}.json`));
}

/** Makes the stack if there is none, and this machine's copy of its file, always. */
export async function ensureDevStack(cli: string, env: NodeJS.ProcessEnv): Promise<void> {
    const committed = readFileSync(STACK_FILE, "utf8");
    let salt = existsSync(LOCAL_STACK_FILE)
        ? SALT.exec(readFileSync(LOCAL_STACK_FILE, "utf8"))?.[0]
        : undefined;
    if (!devStackExists() || salt === undefined) {
        const made = await capture([cli, "stack", "init", DEV, "--non-interactive"], {
            env,
            cwd: ROOT,
        });
        salt = SALT.exec(readFileSync(STACK_FILE, "utf8"))?.[0];
        writeFileSync(STACK_FILE, committed);
        if (made.code !== 0 || salt === undefined) {
            throw new Error(`pulumi stack init ${DEV} failed:\n${made.stderr}`);
        }
    }
    const kept = SALT.test(committed) ? committed : `${salt.trimEnd()}\n${committed}`;
    writeFileSync(LOCAL_STACK_FILE, kept, { mode: 0o600 });
}

/** Arguments that select the stack, for commands that read its configuration. */
export const DEV_OPTIONS = ["--stack", DEV, "--config-file", LOCAL_STACK_FILE];

/** Runs the CLI with its output on the screen. @returns the exit code */
export function runPulumi(cli: string, args: string[], env: NodeJS.ProcessEnv): Promise<number> {
    return new Promise((resolve, reject) => {
        const child = spawn(cli, args, { cwd: ROOT, env, stdio: "inherit" });
        child.on("error", reject);
        child.on("exit", (code) => resolve(code ?? 1));
        // The engine stops by itself on Ctrl-C, finishing what it has begun.
        process.on("SIGINT", () => {});
        process.on("SIGTERM", () => child.kill("SIGTERM"));
    });
}

/** Outputs of a stack as JSON text; secrets are `[secret]` unless asked for. */
export async function stackOutputs(
    stack: string | undefined,
    showSecrets: boolean,
): Promise<Captured> {
    const useDev = stack === DEV || (stack === undefined && devStackExists());
    const args = ["stack", "output", "--json", "--non-interactive"];
    if (showSecrets) args.push("--show-secrets");
    if (useDev) args.push("--stack", DEV);
    else if (stack !== undefined) args.push("--stack", stack);
    const env = useDev ? devEnvironment() : process.env;
    return capture([useDev ? pulumiCli() : "pulumi", ...args], { cwd: ROOT, env });
}
