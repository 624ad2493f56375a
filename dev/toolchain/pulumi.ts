/**
 * Pulumi's CLI and the plugins of the packages that the program uses. Official ones where they can be
 * had; otherwise the CLI is built from its Go module and the project's own replacements are used. All
 * of it stays in the project: a user's PULUMI_HOME is never touched.
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

/** An official CLI from here on is new enough for the program. */
const MINIMUM_CLI = [3, 249];

export interface Pulumi {
    /** Path of the CLI. */
    cli: string;
    /** One line: which CLI and plugins are in use. */
    inUse: string;
}

/** What could not be downloaded is tried again, since a network may be there by then. */
const ASK_AGAIN_AFTER_MS = 24 * 60 * 60 * 1000;

/** Which CLI `ensurePulumi` chose last. */
const CHOSEN_CLI = path.join(TOOLCHAIN, "cli");

export async function ensurePulumi(): Promise<Pulumi> {
    mkdirSync(BIN, { recursive: true });
    mkdirSync(PLUGIN_BIN, { recursive: true });
    mkdirSync(PULUMI_HOME, { recursive: true });
    const official = await officialCli();
    const cli = official?.path ?? (await builtCli());
    // The official CLI has hosts of its own version beside it, and would take those that it finds on PATH.
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
    // Our own not by a link to .toolchain, which may be gone the next time.
    const own = cli.startsWith(TOOLCHAIN);
    writeFileSync(CHOSEN_CLI, own ? realpathSync(cli) : cli);
    const origin = official === undefined ? "built from its Go module" : "official";
    return { cli, inUse: `Pulumi ${await versionOf(cli)} (${origin}), ${plugins}` };
}

/** The CLI that `ensurePulumi` has seen to, without looking again. */
export function pulumiCli(): string {
    const chosen = existsSync(CHOSEN_CLI) ? readFileSync(CHOSEN_CLI, "utf8") : "";
    return existsSync(chosen) ? chosen : "pulumi";
}

interface OfficialCli {
    path: string;
    /** Whether plugins were tried and can't be downloaded on this machine. */
    offline: boolean;
}

/** On PATH, or downloaded by Pulumi's own installer. */
async function officialCli(): Promise<OfficialCli | undefined> {
    const found = await onPath("pulumi");
    if (found !== undefined && !isOurs(found)) {
        const version = await versionOf(found);
        if (atLeast(version, MINIMUM_CLI)) return { path: found, offline: false };
        say(`${found} is ${version}; 3.${MINIMUM_CLI[1]} or later is needed, so it is left alone.`);
    }
    const folder = path.join(TOOLCHAIN, "pulumi");
    const installed = path.join(folder, "bin", "pulumi");
    if (existsSync(installed)) return { path: installed, offline: false };
    const own = path.join(BIN, "pulumi");
    if (!isDue(own)) return undefined;
    if (existsSync(own)) say("Trying once a day whether Pulumi's own CLI can be downloaded …");
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

/** Whether this project built a CLI, here or in another clone. */
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

/** Whether a download whose replacement is this file is to be tried: it is not there, or a day old. */
function isDue(replacement: string): boolean {
    return (
        !existsSync(replacement) || Date.now() - statSync(replacement).mtimeMs > ASK_AGAIN_AFTER_MS
    );
}

/** The download has just failed: its replacement is as new as that. */
function asked(replacement: string): void {
    if (existsSync(replacement)) utimesSync(replacement, new Date(), new Date());
}

async function versionOf(cli: string): Promise<string> {
    const env = { ...process.env, PULUMI_HOME, PULUMI_SKIP_UPDATE_CHECK: "true" };
    return (await capture([cli, "version"], { env })).stdout.trim();
}
