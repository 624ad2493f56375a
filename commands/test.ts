/**
 * `npm test`: everything that proves the project; `npm run test:fast`: what needs neither Docker nor
 * Pulumi. Each check and each mocha test counts once; the last line is their sum.
 */
import { spawn } from "node:child_process";
import { existsSync, globSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import path from "node:path";
import { ensureTestTools } from "../toolchain/testTools.ts";
import { BIN, LOGS, PLUGIN_BIN, ROOT } from "../toolchain/paths.ts";
import { say } from "../toolchain/process.ts";

interface Count {
    passed: number;
    failed: number;
    skipped: number;
}

const total: Count = { passed: 0, failed: 0, skipped: 0 };
const started = Date.now();

/** Suites in the order of the rooms they depend on. `needs` names what must be on the machine. */
const SUITES: { name: string; fast?: boolean }[] = [
    { name: "config", fast: true },
    { name: "unit", fast: true },
    { name: "toolchain" },
    { name: "local" },
    { name: "providers" },
    { name: "broker" },
    { name: "verification" },
    { name: "e2e" },
];

const CHECKS: { name: string; command: string[]; cwd?: string }[] = [
    { name: "format", command: ["prettier", "--check", "--log-level", "warn", "."] },
    { name: "lint", command: ["eslint", "."] },
    { name: "types", command: ["tsc", "--noEmit", "-p", "."] },
];

const GO_CHECKS = [
    { name: "go vet", command: ["go", "vet", "./..."] },
    { name: "go test", command: ["go", "test", "./..."] },
].map((check) => ({ ...check, cwd: path.join(ROOT, "toolchain", "go") }));

const fast = process.argv[2] === "fast";
const only = process.argv.slice(fast ? 3 : 2);

try {
    await main();
} catch (error) {
    say((error as Error).message);
    total.failed++;
}
const skipped = total.skipped > 0 ? `, ${total.skipped} skipped` : "";
say(`\nTook ${Math.round((Date.now() - started) / 1000)} s.`);
console.log(`${total.passed} passed, ${total.failed} failed${skipped}`);
process.exitCode = total.failed > 0 || total.passed === 0 ? 1 : 0;

async function main(): Promise<void> {
    mkdirSync(LOGS, { recursive: true });
    const wanted = (name: string) => only.length === 0 || only.includes(name);
    for (const check of CHECKS) if (wanted(check.name)) await runCheck(check);
    if (!fast && only.length !== 1) {
        say(`In use: ${await ensureTestTools()}.`);
        // With official plugins there is no Go, and no need of it.
        if (existsSync(path.join(PLUGIN_BIN, "pulumi-resource-tls"))) {
            for (const check of GO_CHECKS) await runCheck(check);
        }
    }
    for (const suite of SUITES) {
        if (wanted(suite.name) && (suite.fast === true || !fast)) await runSuite(suite.name);
    }
}

async function runCheck(check: { name: string; command: string[]; cwd?: string }): Promise<void> {
    const begun = Date.now();
    const code = await run(check.command, check.cwd);
    if (code === 0) total.passed++;
    else total.failed++;
    const seconds = ((Date.now() - begun) / 1000).toFixed(1);
    say(`${code === 0 ? "ok    " : "FAILED"} ${check.name} (${seconds} s)`);
}

async function runSuite(name: string): Promise<void> {
    const files = globSync(`test/${name}/**/*.spec.ts`, { cwd: ROOT }).toSorted();
    if (files.length === 0) return;
    say(`\n== test/${name}`);
    const report = path.join(LOGS, `mocha-${name}.json`);
    rmSync(report, { force: true });
    const options = [
        "--reporter",
        "test/support/reporter.ts",
        "--reporter-option",
        `file=${report}`,
    ];
    const code = await run(["mocha", ...options, ...files]);
    if (!existsSync(report)) {
        say(`FAILED test/${name}: mocha ended with ${code} before its end`);
        total.failed++;
        return;
    }
    const count = JSON.parse(readFileSync(report, "utf8")) as Count;
    total.passed += count.passed;
    total.failed += count.failed;
    total.skipped += count.skipped;
    // A suite may also fail outside its tests, as by a process that it left running.
    if (code !== 0 && count.failed === 0) {
        say(`FAILED test/${name}: mocha ended with ${code}`);
        total.failed++;
    }
}

function run(command: string[], cwd = ROOT): Promise<number> {
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
        child.on("error", (error) => {
            say(error.message);
            resolve(1);
        });
        child.on("exit", (code) => resolve(code ?? 1));
    });
}
