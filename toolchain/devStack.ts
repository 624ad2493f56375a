/**
 * The `dev` stack of a checkout: its state, passphrase and configuration live in `.local/`, so neither
 * a user's backend nor the committed stack file is touched.
 */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { pulumiEnvironment } from "./environment.ts";
import { LOCAL, ROOT } from "./paths.ts";

export const DEV = "dev";

/** A line of a stack's file: without it what is encrypted in the state cannot be read. */
const SALT = /^encryptionsalt: .*\n?/m;

export interface DevStack {
    /** Folder of the state. */
    readonly backend: string;
    readonly passphraseFile: string;
    /** The stack file that is in Git. */
    readonly committed: string;
    /** The same with this machine's salt, which `stack init` would write into the committed one. */
    readonly file: string;
    /** What the CLI runs with, beside the user's environment. */
    readonly env: NodeJS.ProcessEnv;
    /** Arguments that select it, for commands that read its configuration. */
    readonly select: string[];
}

/** @param root the checkout's folder */
export function devStackIn(root: string): DevStack {
    const local = path.join(root, path.relative(ROOT, LOCAL));
    const backend = path.join(local, "pulumi");
    const passphraseFile = path.join(local, "passphrase");
    const file = path.join(local, `Pulumi.${DEV}.yaml`);
    return {
        backend,
        passphraseFile,
        committed: path.join(root, `Pulumi.${DEV}.yaml`),
        file,
        env: { ...pulumiEnvironment(backend), PULUMI_CONFIG_PASSPHRASE_FILE: passphraseFile },
        select: ["--stack", DEV, "--config-file", file],
    };
}

/** @returns the line, or undefined where the file or the line is not there */
export function saltIn(file: string): string | undefined {
    if (!existsSync(file)) return undefined;
    return SALT.exec(readFileSync(file, "utf8"))?.[0].trimEnd();
}

export function withoutSalt(text: string): string {
    return text.replace(SALT, "");
}

/** Makes this machine's copy of the stack's file anew. @param committed text, without salt */
export function writeStackFile(stack: DevStack, salt: string, committed: string): void {
    writeFileSync(stack.file, `${salt}\n${committed}`, { mode: 0o600 });
}
