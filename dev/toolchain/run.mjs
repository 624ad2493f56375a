/**
 * Entry of every npm script: `node dev/toolchain/run.mjs PROGRAM.ts [ARGUMENTS]`. Runs on any Node from 18
 * on with nothing installed: sees to a Node that runs TypeScript by itself and to the project's
 * packages, then hands over.
 */
import { spawn, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, statSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";

/** The first Node that strips types unasked. */
const MINIMUM = [22, 18];
/** A package that ships the binary, so no other download is needed. */
const NODE_PACKAGE = { name: `node-${process.platform}-${process.arch}`, version: "22.23.3" };

const root = path.resolve(fileURLToPath(import.meta.url), "../../..");
const nodeHome = path.join(root, ".toolchain", "node");

function say(text) {
    process.stderr.write(`${text}\n`);
}

function runsTypeScript(version) {
    const [major, minor] = version.replace("v", "").split(".").map(Number);
    return major > MINIMUM[0] || (major === MINIMUM[0] && minor >= MINIMUM[1]);
}

function npm(args, env) {
    const result = spawnSync("npm", args, { cwd: root, env, encoding: "utf8" });
    if (result.error) fail(`npm can't be started: ${result.error.message}`);
    if (result.status !== 0) fail(`npm ${args.join(" ")} failed:\n${result.stderr}`);
}

function fail(text) {
    say(text);
    process.exit(1);
}

/** @returns the folder that holds the `node` to use */
function ensureNode() {
    if (runsTypeScript(process.version)) return path.dirname(process.execPath);
    const bin = path.join(nodeHome, "node_modules", NODE_PACKAGE.name, "bin");
    if (!existsSync(path.join(bin, "node"))) {
        say(
            `Node ${process.version} is too old for Pulumi (22.18 or later is needed): ` +
                `getting ${NODE_PACKAGE.version} for this project alone.`,
        );
        const partial = `${nodeHome}.partial`;
        rmSync(partial, { recursive: true, force: true });
        mkdirSync(partial, { recursive: true });
        npm(
            [
                ...["install", "--prefix", partial, "--no-save", "--ignore-scripts"],
                `${NODE_PACKAGE.name}@${NODE_PACKAGE.version}`,
            ],
            process.env,
        );
        rmSync(nodeHome, { recursive: true, force: true });
        renameSync(partial, nodeHome);
    }
    return bin;
}

/** npm writes node_modules/.package-lock.json last: older than the lock file means unfinished. */
function ensurePackages(env) {
    const lock = path.join(root, "package-lock.json");
    const installed = path.join(root, "node_modules", ".package-lock.json");
    if (existsSync(installed) && statSync(installed).mtimeMs >= statSync(lock).mtimeMs) return;
    const { lockfileVersion, packages } = JSON.parse(readFileSync(lock, "utf8"));
    const count = Object.keys(packages ?? {}).length;
    say(`Installing ${count} npm packages (lock file version ${lockfileVersion}) …`);
    // Their install scripts only fetch what the toolchain sees to itself.
    npm(["ci", "--ignore-scripts", "--no-fund", "--no-audit"], env);
}

const nodeBin = ensureNode();
const env = { ...process.env, PATH: `${nodeBin}${path.delimiter}${process.env.PATH}` };
ensurePackages(env);

const [program, ...args] = process.argv.slice(2);
const child = spawn(path.join(nodeBin, "node"), [path.join(root, program), ...args], {
    env,
    stdio: "inherit",
});
// Ctrl-C reaches the child by itself; what is sent to this process alone is passed on.
for (const signal of ["SIGTERM", "SIGHUP"]) process.on(signal, () => child.kill(signal));
process.on("SIGINT", () => {});
child.on("exit", (code, signal) => process.exit(code ?? (signal === "SIGINT" ? 130 : 1)));
