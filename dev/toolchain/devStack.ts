/**
 * The `dev` stack of a checkout. Its state, passphrase and configuration are in `.local/`, so that
 * neither the user's backend nor the committed stack file is touched.
 */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { parse, parseDocument } from "yaml";
import { pulumiEnvironment } from "./environment.ts";
import { LOCAL, ROOT } from "../../lib/paths.ts";

export const DEV = "dev";

/** The salt's line in a stack file, without which the state's secrets cannot be decrypted. */
const SALT = /^encryptionsalt: .*\n?/m;

export interface DevStack {
    /** Folder of the state. */
    readonly backend: string;
    readonly passphraseFile: string;
    /** The stack file in Git. */
    readonly committed: string;
    /** This machine's copy of it with the salt, which `stack init` would write into the committed file. */
    readonly file: string;
    /** Environment of the CLI, in addition to the user's. */
    readonly env: NodeJS.ProcessEnv;
    /** Arguments that select the stack, for commands that read its configuration. */
    readonly select: string[];
}

/**
 * Locates the dev stack of a checkout.
 * @param root folder of the checkout
 */
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

/**
 * Finds the salt's line.
 * @returns undefined if the file or the line is missing
 */
export function saltIn(file: string): string | undefined {
    if (!existsSync(file)) return undefined;
    return SALT.exec(readFileSync(file, "utf8"))?.[0].trimEnd();
}

export function withoutSalt(text: string): string {
    return text.replace(SALT, "");
}

/**
 * Rewrites this machine's copy of the stack file: the committed settings, and the secrets set on this
 * machine, which only its passphrase decrypts.
 * @param committed text of the committed file, without salt
 */
export function writeStackFile(stack: DevStack, salt: string, committed: string): void {
    const own = existsSync(stack.file) ? secretsIn(configIn(readFileSync(stack.file, "utf8"))) : {};
    const text = Object.keys(own).length === 0 ? committed : withConfig(committed, own);
    writeFileSync(stack.file, `${salt}\n${text}`, { mode: 0o600 });
}

/**
 * Copies setting changes that a Pulumi command made in this machine's copy to the committed file.
 * Secrets stay in the copy.
 * @param before text of the copy when the command started
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

/** Keys in the committed file whose secrets this machine has no passphrase for. */
export function foreignSecretsIn(stack: DevStack): string[] {
    return Object.keys(secretsIn(configIn(readFileSync(stack.committed, "utf8"))));
}

/** Keys in the committed file that a secret on this machine overrides. */
export function shadowedIn(stack: DevStack): string[] {
    const committed = configIn(readFileSync(stack.committed, "utf8"));
    const own = existsSync(stack.file) ? secretsIn(configIn(readFileSync(stack.file, "utf8"))) : {};
    return Object.keys(own).filter((key) => Object.hasOwn(committed, key));
}

/** Linux takes no more for a variable of the environment, with its name. */
const MAX_VARIABLE_BYTES = 131_071;

/**
 * Settings that Pulumi could not start the program with: it hands them over in one variable, and itself says
 * `argument list too long` alone.
 */
export function sizeProblemIn(text: string): string | undefined {
    const config = Object.entries(configIn(text)).map(([key, value]) => {
        return [key, typeof value === "string" ? value : JSON.stringify(value)];
    });
    const variable = `PULUMI_CONFIG=${JSON.stringify(Object.fromEntries(config))}`;
    const bytes = Buffer.byteLength(variable);
    return bytes <= MAX_VARIABLE_BYTES
        ? undefined
        : `The settings take ${bytes} bytes, and Pulumi hands them to the program in one variable of the environment, ` +
              `which may have ${MAX_VARIABLE_BYTES}. Move the users into a file: \`appkata-mqtt:users: users.json\`.`;
}

type Config = Record<string, unknown>;

function configIn(text: string): Config {
    return (parse(text) as { config?: Config } | null)?.config ?? {};
}

function secretsIn(config: Config): Config {
    return Object.fromEntries(Object.entries(config).filter(([, value]) => holdsSecret(value)));
}

/** Whether a value holds a secret, which Pulumi writes as `{secure: TEXT}` at any depth. */
function holdsSecret(value: unknown): boolean {
    if (typeof value !== "object" || value === null) return false;
    const entries = Object.entries(value);
    const [only] = entries;
    if (entries.length === 1 && only![0] === "secure" && typeof only![1] === "string") return true;
    return entries.some(([, inner]) => holdsSecret(inner));
}

/** Sets these settings in the text and keeps its comments; undefined removes a setting. */
function withConfig(text: string, settings: Config): string {
    const document = parseDocument(text);
    for (const [key, value] of Object.entries(settings)) {
        if (value === undefined) document.deleteIn(["config", key]);
        else document.setIn(["config", key], value);
    }
    return document.toString({ lineWidth: 0 });
}
