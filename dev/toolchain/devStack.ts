/**
 * The `dev` stack of a checkout: its state, passphrase and configuration live in `.local/`, so neither
 * a user's backend nor the committed stack file is touched.
 */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { parse, parseDocument } from "yaml";
import { pulumiEnvironment } from "./environment.ts";
import { LOCAL, ROOT } from "../../lib/paths.ts";

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

/**
 * Makes this machine's copy of the stack's file anew: the committed settings, and the secrets that were set
 * on this machine, whose passphrase no other has.
 *
 * @param committed text, without salt
 */
export function writeStackFile(stack: DevStack, salt: string, committed: string): void {
    const own = existsSync(stack.file) ? secretsIn(configIn(readFileSync(stack.file, "utf8"))) : {};
    const text = Object.keys(own).length === 0 ? committed : withConfig(committed, own);
    writeFileSync(stack.file, `${salt}\n${text}`, { mode: 0o600 });
}

/**
 * Brings what a command of Pulumi's has changed in this machine's copy into the committed file, but for
 * secrets: they stay in the copy.
 *
 * @param before text of the copy when the command began
 */
export function keepStackFile(stack: DevStack, before: string): void {
    const after = readFileSync(stack.file, "utf8");
    if (after === before) return;
    const [old, now] = [configIn(before), configIn(after)];
    const changed = Object.keys({ ...old, ...now }).filter(
        (key) => JSON.stringify(old[key]) !== JSON.stringify(now[key]),
    );
    const plain = changed.map((key) => [key, holdsSecret(now[key]) ? undefined : now[key]]);
    const committed = readFileSync(stack.committed, "utf8");
    const text = withConfig(committed, Object.fromEntries(plain) as Config);
    if (text !== committed) writeFileSync(stack.committed, text);
}

/** @returns keys of the committed file whose secrets this machine has no passphrase for */
export function foreignSecretsIn(stack: DevStack): string[] {
    return Object.keys(secretsIn(configIn(readFileSync(stack.committed, "utf8"))));
}

/** @returns keys of the committed file in whose place this machine has a secret */
export function shadowedIn(stack: DevStack): string[] {
    const committed = configIn(readFileSync(stack.committed, "utf8"));
    const own = existsSync(stack.file) ? secretsIn(configIn(readFileSync(stack.file, "utf8"))) : {};
    return Object.keys(own).filter((key) => Object.hasOwn(committed, key));
}

type Config = Record<string, unknown>;

function configIn(text: string): Config {
    return (parse(text) as { config?: Config } | null)?.config ?? {};
}

function secretsIn(config: Config): Config {
    return Object.fromEntries(Object.entries(config).filter(([, value]) => holdsSecret(value)));
}

/** As Pulumi writes it: `{secure: TEXT}`, at whatever depth. */
function holdsSecret(value: unknown): boolean {
    if (typeof value !== "object" || value === null) return false;
    const entries = Object.entries(value);
    const [only] = entries;
    if (entries.length === 1 && only![0] === "secure" && typeof only![1] === "string") return true;
    return entries.some(([, inner]) => holdsSecret(inner));
}

/** The text with these settings instead of its own; undefined takes one out. Comments stay. */
function withConfig(text: string, settings: Config): string {
    const document = parseDocument(text);
    for (const [key, value] of Object.entries(settings)) {
        if (value === undefined) document.deleteIn(["config", key]);
        else document.setIn(["config", key], value);
    }
    return document.toString({ lineWidth: 0 });
}
