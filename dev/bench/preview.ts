/**
 * Compares an unchanged preview of the deployed `dev` stack with one of an empty program, on the same
 * engine and language host: `npm run bench -- preview`. Also measures `npm run local` and the local
 * Fly's memory.
 */
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import path from "node:path";
import { Project } from "../harness/project.ts";
import { pulumiEnvironment } from "../toolchain/environment.ts";
import { ROOT } from "../../lib/paths.ts";
import { pulumiCli } from "../toolchain/pulumi.ts";
import { capture } from "../../lib/process.ts";
import { alternate, ratio, row } from "./support/measure.ts";
import { family } from "./support/processes.ts";

const RUNS = Number(process.env.RUNS ?? 7);

const project = await Project.make();
try {
    const begun = performance.now();
    const first = await project.npm("local");
    if (first.code !== 0) throw new Error(first.output);
    const firstSeconds = (performance.now() - begun) / 1000;
    const empty = await emptyProgram(path.join(project.dir, "empty"));
    const figures = await alternate(RUNS, {
        "preview of an empty program": empty,
        "preview of dev, unchanged": async () => {
            const run = await project.cli(["preview", "--expect-no-changes"]);
            if (run.code !== 0) throw new Error(run.output);
        },
        "npm run local, unchanged": async () => {
            const run = await project.npm("local");
            if (run.code !== 0) throw new Error(run.output);
        },
    });
    console.log(`npm run local, first, toolchain there: ${firstSeconds.toFixed(1)} s`);
    for (const [name, figure] of Object.entries(figures)) console.log(row(name, figure));
    const [floor, ours] = Object.values(figures);
    console.log(`${ratio(floor!, ours!)} (at most 1.35)`);
    await memory((await project.status()).pid);
} finally {
    await project.remove();
}

/** Prints the resident memory of the local Fly's processes, with one app. */
async function memory(pid: number): Promise<void> {
    const all = await family(pid);
    const sum = all.reduce((total, { mb }) => total + mb, 0);
    const parts = all
        .map(({ command, mb }) => `${path.basename(command.split(" ")[0]!)} ${mb.toFixed(0)}`)
        .join(", ");
    console.log(`local Fly with one app: ${sum.toFixed(0)} MB resident (${parts}; below 150)`);
}

async function emptyProgram(dir: string): Promise<() => Promise<void>> {
    mkdirSync(path.join(dir, "state"), { recursive: true });
    const yaml = readFileSync(path.join(ROOT, "Pulumi.yaml"), "utf8");
    // Without our nodeargs, as Pulumi starts a program by default.
    const plain = yaml.replace(/^name: .*$/m, "name: empty").replace(/^ *nodeargs: .*$/m, "");
    writeFileSync(path.join(dir, "Pulumi.yaml"), plain);
    writeFileSync(
        path.join(dir, "package.json"),
        '{"name":"empty","type":"module","exports":"./index.ts","dependencies":{"@pulumi/pulumi":"*"}}',
    );
    writeFileSync(
        path.join(dir, "index.ts"),
        'import * as pulumi from "@pulumi/pulumi";\nvoid pulumi;\n',
    );
    symlinkSync(path.join(ROOT, "node_modules"), path.join(dir, "node_modules"));
    const cli = pulumiCli();
    const env = {
        ...process.env,
        ...pulumiEnvironment(path.join(dir, "state")),
        PULUMI_CONFIG_PASSPHRASE: "none",
    };
    const run = async (...args: string[]) => {
        const { code, stderr, stdout } = await capture([cli, ...args, "--non-interactive"], {
            cwd: dir,
            env,
        });
        if (code !== 0) throw new Error(stdout + stderr);
    };
    await run("stack", "init", "empty");
    await run("up", "--yes", "--skip-preview");
    return () => run("preview", "--expect-no-changes");
}
