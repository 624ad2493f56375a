/**
 * Provides Pulumi's CLI and the plugins that the program uses. Prefers official ones; if they cannot be
 * downloaded, builds the CLI from its Go module and uses the project's own replacements. All of it
 * stays in the project: the user's PULUMI_HOME is never touched.
 */
import {
    existsSync,
    mkdirSync,
    readFileSync,
    realpathSync,
    rmSync,
    statSync,
    utimesSync,
    writeFileSync,
} from "node:fs";
import path from "node:path";
import { BIN, PLUGIN_BIN, PULUMI_HOME, TOOLCHAIN } from "../../lib/paths.ts";
import { capture, onPath, say } from "../../lib/process.ts";
import {
    builtCli,
    PLUGINS,
    pluginFolder,
    removeHosts,
    REPLACEMENT_MARK,
    replacementPlugin,
} from "./replacements.ts";
import { atLeast, pinned } from "./versions.ts";

/** Oldest official CLI that the program supports. */
const MINIMUM_CLI = [3, 249];

export interface Pulumi {
    /** Path of the CLI. */
    cli: string;
    /** One line that names the CLI and plugins in use. */
    inUse: string;
}

/** How long to wait before retrying a failed download. */
const ASK_AGAIN_AFTER_MS = 24 * 60 * 60 * 1000;

/** File with the path of the CLI that `ensurePulumi` chose last. */
const CHOSEN_CLI = path.join(TOOLCHAIN, "cli");

export async function ensurePulumi(): Promise<Pulumi> {
    mkdirSync(BIN, { recursive: true });
    mkdirSync(PLUGIN_BIN, { recursive: true });
    mkdirSync(PULUMI_HOME, { recursive: true });
    const official = await officialCli();
    const cli = official?.path ?? (await builtCli());
    // The official CLI has its own hosts beside it, but prefers hosts on PATH.
    if (official !== undefined) removeHosts();
    const replaced: string[] = [];
    for (const name of PLUGINS) {
        if (!(await officialPlugin(name, official))) {
            await replacementPlugin(name);
            replaced.push(name);
        }
    }
    const plugins =
        replaced.length === 0
            ? "official plugins"
            : `this project's replacements for the plugins ${replaced.join(", ")}`;
    // For our own CLI, record the real path: the link in .toolchain may be gone next time.
    const own = cli.startsWith(TOOLCHAIN);
    writeFileSync(CHOSEN_CLI, own ? realpathSync(cli) : cli);
    const origin = official === undefined ? "built from its Go module" : "official";
    return { cli, inUse: `Pulumi ${await versionOf(cli)} (${origin}), ${plugins}` };
}

/** The CLI that `ensurePulumi` chose, without checking again. */
export function pulumiCli(): string {
    const chosen = existsSync(CHOSEN_CLI) ? readFileSync(CHOSEN_CLI, "utf8") : "";
    return existsSync(chosen) ? chosen : "pulumi";
}

interface OfficialCli {
    path: string;
    /** Whether a plugin's download failed, so that no more are tried. */
    offline: boolean;
}

/** Finds an official CLI on PATH, or downloads one with Pulumi's own installer. */
async function officialCli(): Promise<OfficialCli | undefined> {
    const found = await onPath("pulumi");
    if (found !== undefined && !isOurs(found)) {
        const version = await versionOf(found);
        if (atLeast(version, MINIMUM_CLI)) return { path: found, offline: false };
        say(
            `${found} has version ${version}, but 3.${MINIMUM_CLI[1]} or later is needed: not using it.`,
        );
    }
    const folder = path.join(TOOLCHAIN, "pulumi");
    const installed = path.join(folder, "bin", "pulumi");
    if (existsSync(installed)) return { path: installed, offline: false };
    const own = path.join(BIN, "pulumi");
    if (!isDue(own)) return undefined;
    if (existsSync(own)) say("Trying to download Pulumi's official CLI, as once a day …");
    const { PulumiCommand } = await import("@pulumi/pulumi/automation/index.js");
    try {
        await PulumiCommand.install({ root: folder });
        return { path: installed, offline: false };
    } catch {
        rmSync(folder, { recursive: true, force: true });
        asked(own);
        return undefined;
    }
}

/** Whether this project built the CLI, here or in another clone. */
export function isOurs(cli: string): boolean {
    return realpathSync(cli).endsWith(path.join(".toolchain", "bin", "pulumi"));
}

async function officialPlugin(name: string, cli: OfficialCli | undefined): Promise<boolean> {
    const folder = pluginFolder(name);
    const mark = path.join(folder, REPLACEMENT_MARK);
    const replaced = existsSync(mark);
    if (!isDue(mark)) return false;
    if (!replaced && existsSync(path.join(folder, `pulumi-resource-${name}`))) return true;
    if (cli?.offline) asked(mark);
    if (cli === undefined || cli.offline) return false;
    const env = { ...process.env, PULUMI_HOME, PULUMI_SKIP_UPDATE_CHECK: "true" };
    const command = [cli.path, "plugin", "install", "resource", name, `v${pinned(name)}`];
    if (replaced) command.push("--reinstall");
    const { code } = await capture(command, { env, timeoutMs: 300_000 });
    cli.offline = code !== 0;
    if (cli.offline) asked(mark);
    else rmSync(mark, { force: true });
    return !cli.offline;
}

/** Whether to try a download: its replacement is missing or a day old. */
function isDue(replacement: string): boolean {
    return (
        !existsSync(replacement) || Date.now() - statSync(replacement).mtimeMs > ASK_AGAIN_AFTER_MS
    );
}

/** Records a failed download by touching its replacement. */
function asked(replacement: string): void {
    if (existsSync(replacement)) utimesSync(replacement, new Date(), new Date());
}

async function versionOf(cli: string): Promise<string> {
    const env = { ...process.env, PULUMI_HOME, PULUMI_SKIP_UPDATE_CHECK: "true" };
    return (await capture([cli, "version"], { env })).stdout.trim();
}
