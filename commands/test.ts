/**
 * `npm test`: everything that proves the project; `npm run test:fast`: what needs neither Docker nor
 * Pulumi. With names (`… -- broker`) those checks and suites alone. Each check and each mocha test
 * counts once; the last line is their sum.
 */
import { spawn } from "node:child_process";
import { existsSync, globSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import path from "node:path";
import { ensureTestTools } from "../toolchain/testTools.ts";
import { BIN, LOGS, PLUGIN_BIN, ROOT } from "../toolchain/paths.ts";
import { onPath, say } from "../toolchain/process.ts";
import type { Report } from "../test/support/reporter.ts";
import { needTools, SUITES } from "./suites.ts";

/** What a suite may take to end by itself once its last test has: more means that it left something. */
const LINGER_MS = 30_000;

const total: Report = { passed: 0, failed: 0, skipped: 0, failures: [] };
const started = Date.now();

/** Suites of stacks that only the toolchain's own plugins make. */
const REPLACEMENTS = ["toolchain", "components"];

const CHECKS: { name: string; command: string[]; cwd?: string }[] = [
    { name: "format", command: ["prettier", "--check", "--log-level", "warn", "."] },
    { name: "lint", command: ["eslint", "."] },
    { name: "types", command: ["tsc", "--noEmit", "-p", "."] },
];

const GO_CHECKS = [
    { name: "go vet", command: ["go", "vet", "./..."] },
    { name: "go test", command: ["go", "test", "./..."] },
].map((check) => ({ ...check, cwd: path.join(ROOT, "toolchain", "go") }));

/** Its own Go module, since it needs other versions than Pulumi's CLI. */
const WORKFLOWS = {
    name: "workflows",
    command: ["go", "tool", "actionlint", ...workflows()],
    cwd: path.join(ROOT, "toolchain", "lint"),
};

function workflows(): string[] {
    return globSync(path.join(ROOT, ".github", "workflows", "*.yaml"));
}

const fast = process.argv[2] === "fast";
const only = process.argv.slice(fast ? 3 : 2);

try {
    await main();
} catch (error) {
    fail((error as Error).message);
}
// Once more: what failed may be thousands of lines above.
if (total.failures.length > 0) say(["\n== Failed", ...total.failures].join("\n\n"));
const skipped = total.skipped > 0 ? `, ${total.skipped} skipped` : "";
say(`\nTook ${Math.round((Date.now() - started) / 1000)} s.`);
console.log(`${total.passed} passed, ${total.failed} failed${skipped}`);
process.exitCode = total.failed > 0 || total.passed === 0 ? 1 : 0;

async function main(): Promise<void> {
    mkdirSync(LOGS, { recursive: true });
    const wanted = (name: string) => only.length === 0 || only.includes(name);
    const all = [...CHECKS, ...GO_CHECKS, WORKFLOWS, ...SUITES].map(({ name }) => name);
    const unknown = only.filter((name) => !all.includes(name));
    if (unknown.length > 0) {
        throw new Error(`There is no ${unknown.join(", ")}: there are ${all.join(", ")}.`);
    }
    for (const check of CHECKS) if (wanted(check.name)) await runCheck(check);
    if (needTools(only, fast)) say(`In use: ${await ensureTestTools()}.`);
    const inGo = fast ? [] : [...GO_CHECKS, WORKFLOWS].filter(({ name }) => wanted(name));
    // With official plugins there may be no Go, and there is no need of it.
    if (inGo.length > 0 && (await onPath("go")) === undefined) {
        skip(...inGo.map(({ name }) => name));
    } else for (const check of inGo) await runCheck(check);
    for (const suite of SUITES) {
        if (!wanted(suite.name)) continue;
        if (
            REPLACEMENTS.includes(suite.name) &&
            !existsSync(path.join(PLUGIN_BIN, "pulumi-resource-tls"))
        ) {
            skip(`test/${suite.name} (the replacements are not in use)`);
            continue;
        }
        const specs = fast ? (suite.fast ?? []) : ["*"];
        await runSuite(suite.name, specs, suite.mocha);
    }
}

function fail(what: string): void {
    say(`FAILED ${what}`);
    total.failed++;
    total.failures.push(what);
}

function skip(...names: string[]): void {
    for (const name of names) {
        say(`skipped ${name}`);
        total.skipped++;
    }
}

async function runCheck(check: { name: string; command: string[]; cwd?: string }): Promise<void> {
    const begun = Date.now();
    const code = await run(check.command, check.cwd);
    const what = `${check.name} (${((Date.now() - begun) / 1000).toFixed(1)} s)`;
    if (code !== 0) return fail(what);
    total.passed++;
    say(`ok     ${what}`);
}

async function runSuite(
    name: string,
    specs: readonly string[],
    more: readonly string[] = [],
): Promise<void> {
    if (specs.length === 0) return;
    const patterns = specs.map((spec) => `test/${name}/${spec}.spec.ts`);
    const files = globSync(patterns, { cwd: ROOT }).toSorted();
    if (files.length < specs.length) {
        fail(`test/${name}: not all of ${specs.join(", ")} are there`);
        return;
    }
    say(`\n== test/${name}`);
    const report = path.join(LOGS, `mocha-${name}.json`);
    rmSync(report, { force: true });
    const options = [
        "--reporter",
        "test/support/reporter.ts",
        "--reporter-option",
        `file=${report}`,
    ];
    const code = await run(["mocha", ...options, ...more, ...files], ROOT, report);
    if (!existsSync(report)) {
        fail(`test/${name}: mocha ended with ${code} before its end`);
        return;
    }
    const count = JSON.parse(readFileSync(report, "utf8")) as Report;
    total.passed += count.passed;
    total.failed += count.failed;
    total.skipped += count.skipped;
    total.failures.push(...count.failures.map((failure) => `test/${name}: ${failure}`));
    // A suite may also fail outside its tests, as by a process that it left running.
    if (code !== 0 && count.failed === 0) {
        fail(`test/${name}: mocha ended with ${code}`);
    }
}

/** @param done a file that is there when the command's work is done: it must end soon after */
function run(command: string[], cwd = ROOT, done?: string): Promise<number> {
    const PATH = [path.join(ROOT, "node_modules", ".bin"), BIN, process.env.PATH].join(
        path.delimiter,
    );
    const [program, ...args] = command;
    return new Promise((resolve) => {
        const child = spawn(program!, args, {
            cwd,
            stdio: ["ignore", "inherit", "inherit"],
            env: { ...process.env, PATH, TOOLCHAIN_BIN: PLUGIN_BIN, GOFLAGS: "-buildvcs=false" },
        });
        let doneAt: number | undefined;
        const watch = setInterval(() => {
            if (done === undefined || !existsSync(done)) return;
            doneAt ??= Date.now();
            if (Date.now() - doneAt > LINGER_MS) child.kill("SIGKILL");
        }, 1000);
        child.on("error", (error) => {
            clearInterval(watch);
            say(error.message);
            resolve(1);
        });
        child.on("exit", (code, signal) => {
            clearInterval(watch);
            if (signal === "SIGKILL") say("It did not end after its last test: it left something.");
            resolve(code ?? 1);
        });
    });
}
