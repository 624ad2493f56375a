/**
 * Runs the tests. `npm test` covers each part of the project in some minutes; `npm run test:all` runs
 * every spec; `npm run test:fast` runs lint, types and the specs that need neither Docker nor Pulumi.
 * Names select whole checks, rooms or specs (`… -- types broker e2e/live`). Each check and each mocha
 * test counts once; the last line has the totals.
 */
import { existsSync, globSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { ensureTestTools, ensureZizmor, ZIZMOR } from "../dev/toolchain/testTools.ts";
import { BIN, LOGS, PLUGIN_BIN, ROOT, TOOLCHAIN } from "../lib/paths.ts";
import { onPath, say } from "../lib/process.ts";
import type { Report } from "./testReporter.ts";
import { runJobs, type Done, type Job } from "./scheduler.ts";
import { allSpecs, chooseSpecs, type Scope, type Spec } from "./specs.ts";

const begun = Date.now();
const total = { passed: 0, failed: 0, skipped: 0, failures: [] as string[] };
const [scope, ...names] = process.argv.slice(2) as [Scope, ...string[]];

/** Seconds each job took when it last passed. */
const TIMES = path.join(LOGS, "times.json");
const times = existsSync(TIMES)
    ? (JSON.parse(readFileSync(TIMES, "utf8")) as Record<string, number>)
    : {};

const PATH = [path.join(ROOT, "node_modules", ".bin"), BIN, process.env.PATH].join(path.delimiter);
/**
 * Scope of the crash and fault matrices: a few cases in `core`, a sample in `all`, every case when
 * named.
 */
const APPKATA_SCOPE = names.length === 0 ? scope : "all";
const env = { PATH, APPKATA_SCOPE, TOOLCHAIN_BIN: PLUGIN_BIN, GOFLAGS: "-buildvcs=false" };

const CHECKS: readonly Job[] = [
    {
        name: "types",
        command: [
            "tsc",
            "--noEmit",
            "--incremental",
            "--tsBuildInfoFile",
            cache("types"),
            "-p",
            ".",
        ],
    },
    {
        name: "format",
        command: [
            "prettier",
            "--check",
            "--cache",
            "--cache-location",
            cache("format"),
            "--log-level",
            "warn",
            ".",
        ],
    },
    { name: "lint", command: ["eslint", "."] },
    // .dependency-cruiser.mjs says which room may import which.
    { name: "layers", command: ["depcruise", "--output-type", "err-long", "."] },
].map((check) => ({ ...check, env }));

/** Folder where a check caches its results for unchanged files. */
function cache(check: string): string {
    return path.join(TOOLCHAIN, "cache", check);
}

let goThere = false;
const skip = () => (goThere ? undefined : "Go is not installed, and nothing here needs it");

/** Go checks run after the tools, whose build compiles most of the same packages. */
const GO_CHECKS: readonly Job[] = [
    {
        name: "workflows",
        command: ["go", "tool", "actionlint", ...workflows()],
        // actionlint has its own Go module, since it needs other versions than Pulumi's CLI.
        cwd: path.join(ROOT, "dev", "lint"),
    },
    ...["vet", "test"].map((what) => ({
        name: `go ${what}`,
        command: ["go", what, "./..."],
        cwd: path.join(ROOT, "dev", "replacements"),
    })),
].map((check) => ({ ...check, env, needsTools: true, skip }));

let zizmorThere = false;

const AUDIT: Job = {
    name: "audit",
    command: [ZIZMOR, "--offline", "--quiet", "--no-progress", ...workflows()],
    env,
    needsTools: true,
    skip: () => (zizmorThere ? undefined : "zizmor cannot be installed"),
};

function workflows(): string[] {
    return globSync(path.join(ROOT, ".github", "workflows", "*.yaml"));
}

/** Rooms whose stacks only the toolchain's own plugins can deploy. */
const REPLACEMENTS = ["toolchain", "components"];

/** Rooms whose specs take minutes: they start first while no times are known. */
const LONG = ["crash", "faults", "e2e"];

/**
 * Fly's docs can also be read as: a restart applies new secrets. The e2e specs pass under both
 * readings.
 */
const FRESH_SECRETS = { LOCAL_FLY_SECRETS_ON_RESTART: "fresh" };

try {
    await main();
} catch (error) {
    fail((error as Error).message);
}
// Repeat the failures at the end: they may have scrolled away.
if (total.failures.length > 0) say(["\n== Failed", ...total.failures].join("\n\n"));
const skipped = total.skipped > 0 ? `, ${total.skipped} skipped` : "";
say(`\nTook ${Math.round((Date.now() - begun) / 1000)} s; the output is in .toolchain/logs/.`);
console.log(`${total.passed} passed, ${total.failed} failed${skipped}`);
process.exitCode = total.failed > 0 || total.passed === 0 ? 1 : 0;

async function main(): Promise<void> {
    mkdirSync(LOGS, { recursive: true });
    const specs = allSpecs();
    const checks = [...CHECKS, ...(scope === "fast" ? [] : [...GO_CHECKS, AUDIT])];
    const known = [...checks, ...specs].flatMap((one) =>
        "room" in one ? [one.room, one.name] : [one.name],
    );
    const unknown = names.filter((name) => !known.includes(name));
    if (unknown.length > 0) {
        const rooms = new Set(specs.map(({ room }) => room));
        const there = [...checks.map(({ name }) => name), ...rooms].join(", ");
        throw new Error(
            `Unknown: ${unknown.join(", ")}. Known are ${there}, and single specs such as e2e/live.`,
        );
    }
    const chosen = chooseSpecs(specs, scope, names);
    const units = chosen.filter(({ unit }) => unit);
    const others = chosen
        .filter(({ unit }) => !unit)
        .toSorted((one, other) => longFirst(other) - longFirst(one));
    const jobs: Job[] = [
        ...[...new Set(units.map(({ room }) => room))].map((room) =>
            mochaJob(
                `${room}, units`,
                units.filter((unit) => unit.room === room),
            ),
        ),
        ...checks.filter(({ name }) => names.length === 0 || names.includes(name)),
        ...others.map((spec) => mochaJob(spec.name, [spec])),
        ...(scope === "all" ? others.filter(({ room }) => room === "e2e") : []).map((spec) =>
            mochaJob(`${spec.name}, fresh secrets`, [spec], FRESH_SECRETS),
        ),
    ].map((job) => ({ ...job, expectedS: times[job.name] }));
    say(`${jobs.length} jobs with ${chosen.length} of ${specs.length} specs.`);
    const needed = jobs.some(({ needsTools }) => needsTools);
    await runJobs(jobs, { ready: needed ? prepareTools() : Promise.resolve(), onDone: count });
    writeFileSync(TIMES, JSON.stringify(times, undefined, 4));
}

async function prepareTools(): Promise<void> {
    say(`In use: ${await ensureTestTools()}.`);
    goThere = (await onPath("go")) !== undefined;
    zizmorThere = await ensureZizmor();
}

function longFirst({ name, room }: Spec): number {
    return times[name] ?? (LONG.includes(room) ? 1000 : 500);
}

function mochaJob(name: string, specs: readonly Spec[], more: NodeJS.ProcessEnv = {}): Job {
    const report = path.join(LOGS, `mocha-${name.replace(/[^A-Za-z0-9]+/g, "-")}.json`);
    rmSync(report, { force: true });
    const reporter = ["--reporter", "commands/testReporter.ts", "--reporter-option"];
    const [first] = specs;
    return {
        name,
        command: ["mocha", ...reporter, `file=${report}`, ...specs.map(({ file }) => file)],
        env: { ...env, ...more },
        report,
        needsTools: !first!.unit,
        skip: () =>
            !first!.unit && REPLACEMENTS.includes(first!.room) && !replacementsInUse()
                ? "the replacements are not in use"
                : undefined,
    };
}

function replacementsInUse(): boolean {
    return existsSync(path.join(PLUGIN_BIN, "pulumi-resource-tls"));
}

/** Adds a job's result to the totals and reports it. */
function count({ job, code, seconds, output, skipped }: Done): void {
    if (skipped !== undefined) {
        say(`skipped ${job.name}: ${skipped}`);
        total.skipped++;
        return;
    }
    const took = `${seconds.toFixed(1)} s`;
    if (job.report === undefined) {
        if (code !== 0) return fail(`${job.name} (${took})`, output);
        times[job.name] = Math.ceil(seconds);
        total.passed++;
        return say(`ok      ${job.name} (${took})`);
    }
    if (!existsSync(job.report)) {
        return fail(`${job.name}: mocha ended with ${code} before its end`, output);
    }
    const report = JSON.parse(readFileSync(job.report, "utf8")) as Report;
    total.passed += report.passed;
    total.failed += report.failed;
    total.skipped += report.skipped;
    if (report.failed > 0) {
        const failures = report.failures.map((failure) => `${job.name}: ${failure}`);
        say(`FAILED  ${job.name} (${report.failed} failed, ${took})\n\n${failures.join("\n\n")}\n`);
        total.failures.push(...failures);
        return;
    }
    // A job can also fail outside its tests, such as by a process that it left running.
    if (code !== 0) return fail(`${job.name}: mocha ended with ${code}`, output);
    times[job.name] = Math.ceil(seconds);
    say(`ok      ${job.name} (${report.passed} passed, ${took})`);
}

function fail(what: string, output = ""): void {
    say(`${output}FAILED  ${what}`);
    total.failed++;
    total.failures.push(what);
}
