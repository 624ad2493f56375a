/** Builds replacements for Pulumi's downloads: its CLI, its language host and the plugins. */
import {
    copyFileSync,
    existsSync,
    mkdirSync,
    readFileSync,
    renameSync,
    rmSync,
    writeFileSync,
} from "node:fs";
import path from "node:path";
import { built, digest, GO_MODULE, goBuilt } from "./goBuild.ts";
import { BIN, PLUGIN_BIN, PULUMI_HOME } from "../../lib/paths.ts";
import { step } from "../../lib/process.ts";
import { pinned } from "./versions.ts";

const CLI_PACKAGE = "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi";

export const PLUGINS = ["tls", "docker", "command"];

export function pluginFolder(name: string): string {
    return path.join(PULUMI_HOME, "plugins", `resource-${name}-v${pinned(name)}`);
}

/** File that marks a folder of PULUMI_HOME as a replacement. */
export const REPLACEMENT_MARK = "REPLACEMENT";

export async function replacementPlugin(name: string): Promise<void> {
    await builtPlugins();
    const folder = pluginFolder(name);
    const target = path.join(folder, `pulumi-resource-${name}`);
    const source = path.join(PLUGIN_BIN, `pulumi-resource-${name}`);
    mkdirSync(folder, { recursive: true });
    writeFileSync(
        path.join(folder, REPLACEMENT_MARK),
        "Made by this project: see dev/replacements.\n",
    );
    installProgram(source, target);
}

/**
 * Copies a program unless the same one is there. Replaces the file instead of writing into it: another
 * command may be about to run the old one, and Linux does not run a file that is open for writing.
 */
export function installProgram(source: string, target: string): void {
    if (existsSync(target) && readFileSync(target).equals(readFileSync(source))) return;
    const partial = `${target}.${process.pid}`;
    copyFileSync(source, partial);
    renameSync(partial, target);
}

/**
 * Builds the CLI.
 * @returns its path
 */
export async function builtCli(): Promise<string> {
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

/** Builds the plugins. They are kept off PATH, since the engine warns about plugins it finds there. */
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

const LANGUAGE_HOST = "pulumi-language-nodejs";
const DYNAMIC_HOST = "pulumi-resource-pulumi-nodejs";

/** Removes the hosts from PATH, where the official CLI would prefer them to its own. */
export function removeHosts(): void {
    for (const name of [LANGUAGE_HOST, DYNAMIC_HOST]) rmSync(path.join(BIN, name), { force: true });
}

/** Builds the hosts for programs and for dynamic providers, which the official CLI has beside it. */
async function builtHosts(): Promise<void> {
    const host = LANGUAGE_HOST;
    const targets = [path.join(BIN, host)];
    await goBuilt(
        "hosts",
        targets,
        [BIN, `./cmd/${host}`],
        "replacement for Pulumi's language host",
    );
    const script = DYNAMIC_HOST;
    installProgram(path.join(import.meta.dirname, script), path.join(BIN, script));
}
