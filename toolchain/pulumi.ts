/**
 * Pulumi's CLI and the plugins of the packages that the program uses. Official ones where they can be
 * had; otherwise the CLI is built from its Go module and the project's own replacements are used. All
 * of it stays in the project: a user's PULUMI_HOME is never touched.
 */
import { createHash } from "node:crypto";
import {
    copyFileSync,
    existsSync,
    globSync,
    mkdirSync,
    readFileSync,
    realpathSync,
    renameSync,
    rmSync,
    statSync,
    writeFileSync,
} from "node:fs";
import path from "node:path";
import { BIN, PLUGIN_BIN, PULUMI_HOME, ROOT, TOOLCHAIN } from "./paths.ts";
import { capture, onPath, say, step } from "./process.ts";

const GO_MODULE = path.join(import.meta.dirname, "go");
const CLI_PACKAGE = "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi";
const MINIMUM_GO = [1, 25];
/** An official CLI from here on is new enough for the program. */
const MINIMUM_CLI = [3, 249];

export interface Pulumi {
    /** Path of the CLI. */
    cli: string;
    /** One line: which CLI and plugins are in use. */
    inUse: string;
}

/** Versions as package.json pins them: the SDK asks the engine for a plugin of its own version. */
function pinned(name: string): string {
    const manifest = readFileSync(path.join(ROOT, "package.json"), "utf8");
    const { dependencies } = JSON.parse(manifest) as { dependencies: Record<string, string> };
    return dependencies[`@pulumi/${name}`]!;
}

/** Which CLI `ensurePulumi` chose last. */
const CHOSEN_CLI = path.join(TOOLCHAIN, "cli");

const PLUGINS = ["tls", "docker", "command"];

export async function ensurePulumi(): Promise<Pulumi> {
    mkdirSync(BIN, { recursive: true });
    mkdirSync(PLUGIN_BIN, { recursive: true });
    mkdirSync(PULUMI_HOME, { recursive: true });
    const official = await officialCli();
    const cli = official?.path ?? (await builtCli());
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
    if (found !== undefined && !realpathSync(found).startsWith(realpathSync(TOOLCHAIN))) {
        const version = await versionOf(found);
        if (atLeast(version, MINIMUM_CLI)) return { path: found, offline: false };
        say(`${found} is ${version}; 3.${MINIMUM_CLI[1]} or later is needed, so it is left alone.`);
    }
    const folder = path.join(TOOLCHAIN, "pulumi");
    const installed = path.join(folder, "bin", "pulumi");
    if (existsSync(installed)) return { path: installed, offline: false };
    if (existsSync(path.join(BIN, "pulumi"))) return undefined;
    const { PulumiCommand } = await import("@pulumi/pulumi/automation/index.js");
    try {
        await PulumiCommand.install({ root: folder });
        return { path: installed, offline: false };
    } catch {
        rmSync(folder, { recursive: true, force: true });
        return undefined;
    }
}

function pluginFolder(name: string): string {
    return path.join(PULUMI_HOME, "plugins", `resource-${name}-v${pinned(name)}`);
}

/** Marks a folder of PULUMI_HOME as holding a replacement. */
const REPLACEMENT_MARK = "REPLACEMENT";

async function officialPlugin(name: string, cli: OfficialCli | undefined): Promise<boolean> {
    const folder = pluginFolder(name);
    if (existsSync(path.join(folder, REPLACEMENT_MARK))) return false;
    if (existsSync(path.join(folder, `pulumi-resource-${name}`))) return true;
    if (cli === undefined || cli.offline) return false;
    const env = { ...process.env, PULUMI_HOME, PULUMI_SKIP_UPDATE_CHECK: "true" };
    const command = [cli.path, "plugin", "install", "resource", name, `v${pinned(name)}`];
    const { code } = await capture(command, { env, timeoutMs: 300_000 });
    cli.offline = code !== 0;
    return code === 0;
}

async function replacementPlugin(name: string): Promise<void> {
    await builtPlugins();
    const folder = pluginFolder(name);
    const target = path.join(folder, `pulumi-resource-${name}`);
    const source = path.join(PLUGIN_BIN, `pulumi-resource-${name}`);
    if (existsSync(target) && digest([target]) === digest([source])) return;
    mkdirSync(folder, { recursive: true });
    writeFileSync(path.join(folder, REPLACEMENT_MARK), "Made by this project: see toolchain/go.\n");
    // The engine may have the old one open, so it is replaced whole.
    copyFileSync(source, `${target}.new`);
    renameSync(`${target}.new`, target);
}

async function builtCli(): Promise<string> {
    await builtHosts();
    const target = path.join(BIN, "pulumi");
    const version = pinned("pulumi");
    const sources = ["go.mod", "go.sum"].map((file) => path.join(GO_MODULE, file));
    await built("cli", digest(sources), [target], async () => {
        const flags = `-s -w -X github.com/pulumi/pulumi/sdk/v3/go/common/version.Version=v${version}`;
        await step(
            [
                "go",
                "build",
                "-buildvcs=false",
                "-trimpath",
                "-ldflags",
                flags,
                "-o",
                target,
                CLI_PACKAGE,
            ],
            {
                title: "Building Pulumi's CLI from its Go module",
                expect: "4 to 6 minutes, once",
                cwd: GO_MODULE,
            },
        );
    });
    return target;
}

/** The replacements are kept off PATH, since the engine warns of a plugin that it finds there. */
function builtPlugins(): Promise<void> {
    const targets = PLUGINS.map((name) => path.join(PLUGIN_BIN, `pulumi-resource-${name}`));
    const packages = PLUGINS.map((name) => `./cmd/pulumi-resource-${name}`);
    return goBuilt(
        "plugins",
        targets,
        [PLUGIN_BIN, ...packages],
        "replacements for Pulumi's plugins",
    );
}

/** What the official CLI has beside it: the hosts for programs and for dynamic providers. */
async function builtHosts(): Promise<void> {
    const host = "pulumi-language-nodejs";
    const targets = [path.join(BIN, host)];
    await goBuilt(
        "hosts",
        targets,
        [BIN, `./cmd/${host}`],
        "replacement for Pulumi's language host",
    );
    for (const script of ["pulumi-resource-pulumi-nodejs", "lateModules.cjs"]) {
        copyFileSync(path.join(import.meta.dirname, script), path.join(BIN, script));
    }
}

function goBuilt(
    name: string,
    targets: string[],
    [folder, ...packages]: string[],
    title: string,
): Promise<void> {
    const command = [
        "go",
        "build",
        "-buildvcs=false",
        "-trimpath",
        "-ldflags",
        "-s -w",
        "-o",
        `${folder}/`,
        ...packages,
    ];
    return built(name, digest(globSync(`${GO_MODULE}/**/*`)), targets, () =>
        step(command, { title: `Building the ${title}`, cwd: GO_MODULE }),
    );
}

/** Builds unless the same sources were built before. */
async function built(
    name: string,
    sources: string,
    targets: string[],
    build: () => Promise<void>,
): Promise<void> {
    const stamp = path.join(BIN, `.${name}`);
    const stamped = existsSync(stamp) && readFileSync(stamp, "utf8") === sources;
    if (stamped && targets.every((target) => existsSync(target))) return;
    await needGo();
    await build();
    writeFileSync(stamp, sources);
}

async function needGo(): Promise<void> {
    const { code, stdout } = await capture(["go", "env", "GOVERSION"]);
    if (code === 0 && atLeast(stdout.trim(), MINIMUM_GO)) return;
    const seen = code === 0 ? `it is ${stdout.trim()}` : "it is missing";
    throw new Error(
        `Pulumi can't be downloaded here, and to build it Go ${MINIMUM_GO.join(".")} or later is needed; ${seen}. ` +
            "Install Pulumi, or Go, then run this again.",
    );
}

function digest(files: string[]): string {
    const hash = createHash("sha256");
    for (const file of files.toSorted()) {
        if (statSync(file).isFile()) hash.update(path.basename(file)).update(readFileSync(file));
    }
    return hash.digest("hex");
}

async function versionOf(cli: string): Promise<string> {
    const env = { ...process.env, PULUMI_HOME, PULUMI_SKIP_UPDATE_CHECK: "true" };
    return (await capture([cli, "version"], { env })).stdout.trim();
}

/** Compares the first two numbers of `v3.250.0` or `go1.26.8`. */
function atLeast(version: string, [major, minor]: number[]): boolean {
    const [first = 0, second = 0] = (version.match(/\d+/g) ?? []).map(Number);
    return first > major! || (first === major! && second >= minor!);
}
