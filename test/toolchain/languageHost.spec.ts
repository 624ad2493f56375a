// core
/** Tests the replacement for the Node language host against the official one's behaviour. */
import assert from "node:assert/strict";
import {
    existsSync,
    mkdirSync,
    mkdtempSync,
    readFileSync,
    realpathSync,
    rmSync,
    writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { ROOT } from "./support/binaries.ts";
import { type LanguageHost, type RunOptions, startLanguageHost } from "./support/languageHost.ts";

interface Seen {
    args: string[];
    execArgv: string[];
    pid: number;
    env: Record<string, string>;
}

/** A runner that records how it was started, then does what the config "test:do" says. */
const RUNNER = `
const { writeFileSync, renameSync } = require("node:fs");
const out = process.argv[process.argv.indexOf("--pwd") + 1] + "/seen.json";
writeFileSync(out + ".new", JSON.stringify({
    args: process.argv.slice(2), execArgv: process.execArgv, pid: process.pid, env: process.env }));
renameSync(out + ".new", out);
const what = JSON.parse(process.env.PULUMI_CONFIG)["test:config:do"] ?? "";
if (what.startsWith("exit")) process.exit(Number(what.slice(4)));
if (what === "memory") { console.error("<--- Last few GCs --->"); process.exitCode = 134; }
if (what === "hang") setInterval(() => {}, 1000);
if (what === "deaf") { process.on("SIGINT", () => {}); setInterval(() => {}, 1000); }
`;

describe("language host", function () {
    this.timeout(30_000);
    let host: LanguageHost;
    let folder: string;
    before(async () => {
        folder = realpathSync(mkdtempSync(path.join(tmpdir(), "host-")));
        writeFileSync(path.join(folder, "runner.cjs"), RUNNER);
        host = await startLanguageHost({
            ...process.env,
            PULUMI_LANGUAGE_NODEJS_RUN_PATH: path.join(folder, "runner.cjs"),
            PULUMI_NODEJS_TYPESCRIPT: "",
        });
    });
    after(async () => {
        await host.stop();
        rmSync(folder, { recursive: true });
    });

    const seen = () => JSON.parse(readFileSync(path.join(folder, "seen.json"), "utf8")) as Seen;
    async function ran(options: RunOptions = {}): Promise<Seen> {
        assert.deepEqual(await host.run(folder, options), { error: "", bail: false });
        return seen();
    }
    const ends = (what: string) => host.run(folder, { config: { "test:do": what } });

    it("starts the runner with the arguments of the official host", async () => {
        const { args } = await ran({ dryRun: true });
        assert.deepEqual(args, [
            ...["--monitor", "127.0.0.1:1", "--engine", host.engine.address],
            ...["--organization", "organization", "--project", "project"],
            ...["--root-directory", folder, "--stack", "dev", "--pwd", folder],
            ...["--dry-run", "--parallel", "16", "."],
        ]);
        assert.ok(!(await ran()).args.includes("--dry-run"));
    });

    it("passes the stack's config and which keys are secret", async () => {
        const { env } = await ran({
            config: { "app:region": "lhr", "fly:token": "t" },
            secretKeys: ["fly:token"],
        });
        assert.deepEqual(JSON.parse(env["PULUMI_CONFIG"]!), {
            "app:config:region": "lhr",
            "fly:config:token": "t",
        });
        assert.deepEqual(JSON.parse(env["PULUMI_CONFIG_SECRET_KEYS"]!), ["fly:token"]);
        assert.equal((await ran()).env["PULUMI_CONFIG_SECRET_KEYS"], "[]");
    });

    it("enables ts-node unless the runtime option disables it", async () => {
        assert.equal((await ran()).env["PULUMI_NODEJS_TYPESCRIPT"], "true");
        const { env } = await ran({ options: { typescript: false, tsconfig: "t.json" } });
        assert.equal(env["PULUMI_NODEJS_TYPESCRIPT"], "");
        assert.equal(env["PULUMI_NODEJS_TSCONFIG_PATH"], "t.json");
    });

    it("passes the option nodeargs to node, with quoted arguments whole", async () => {
        const nodeargs = "--max-old-space-size=512 --title='two words'";
        const { execArgv } = await ran({ options: { nodeargs } });
        assert.deepEqual(execArgv, ["--max-old-space-size=512", "--title=two words"]);
    });

    it("refuses unknown options", async () => {
        const wrong = async (options: RunOptions["options"]) =>
            (await host.run(folder, { options: options! })).error;
        assert.equal(await wrong({ typescript: "no" }), "typescript option must be a boolean");
        assert.match(await wrong({ packagemanager: "pip" }), /must be one of auto, npm, /);
        assert.match(await wrong({ nodeargs: "'open" }), /ends inside a quote/);
    });

    it("reports how a program exited", async () => {
        assert.deepEqual(await ends("exit3"), {
            error: "Program exited with non-zero exit code: 3",
            bail: false,
        });
        assert.deepEqual(await ends("exit32"), { error: "", bail: true });
        assert.match((await ends("memory")).error, /134\. Detected a possible out of memory error/);
    });

    for (const what of ["hang", "deaf"]) {
        it(`stops a program on cancel that would ${what}`, async () => {
            const { host: own, pid, running } = await hanging(what);
            await own.cancel();
            await running;
            assert.throws(() => process.kill(pid, 0), /ESRCH/);
            await own.stop();
        });
    }

    it("exits with its program when the engine is gone", async () => {
        const { host: own, pid, running } = await hanging("hang");
        running.catch(() => undefined);
        const ended = new Promise((resolve) => own.process.once("exit", resolve));
        own.engine.close();
        await ended;
        assert.throws(() => process.kill(pid, 0), /ESRCH/);
    });

    async function hanging(what: string) {
        const own = await startLanguageHost({
            ...process.env,
            PULUMI_LANGUAGE_NODEJS_RUN_PATH: path.join(folder, "runner.cjs"),
        });
        rmSync(path.join(folder, "seen.json"), { force: true });
        const running = own.run(folder, { config: { "test:do": what } });
        while (!existsSync(path.join(folder, "seen.json"))) {
            await new Promise((resolve) => setTimeout(resolve, 20));
        }
        return { host: own, pid: seen().pid, running };
    }

    it("lists the plugins of installed packages, including nested ones", async () => {
        const put = (name: string, manifest: object) => {
            const at = path.join(folder, "node_modules", name);
            mkdirSync(at, { recursive: true });
            writeFileSync(path.join(at, "package.json"), JSON.stringify(manifest));
        };
        put("@pulumi/random", {
            name: "@pulumi/random",
            version: "4.0.0",
            pulumi: { resource: true },
        });
        put("plain", { name: "plain", version: "1.0.0" });
        put("plain/node_modules/third", {
            name: "third",
            version: "9.0.0",
            pulumi: { resource: true, name: "deep", version: "1.2.3", server: "https://x.test" },
        });
        const found = await host.packages(folder);
        assert.deepEqual(
            found.map(({ name, kind, version, server }) => [name, kind, version, server]),
            [
                ["random", "resource", "v4.0.0", ""],
                ["deep", "resource", "v1.2.3", "https://x.test"],
            ],
        );
    });

    it("lists this project's plugins in their pinned versions", async () => {
        const { dependencies } = JSON.parse(
            readFileSync(path.join(ROOT, "package.json"), "utf8"),
        ) as { dependencies: Record<string, string> };
        const found = await host.packages(ROOT);
        assert.deepEqual(
            found.map(({ name, version }) => [name, version]),
            ["command", "docker", "tls"].map((name) => [
                name,
                `v${dependencies[`@pulumi/${name}`]}`,
            ]),
        );
        const direct = await host.dependencies(ROOT);
        assert.equal(direct["@pulumi/pulumi"], dependencies["@pulumi/pulumi"]);
    });

    it("reports which node runs programs", async () => {
        const about = await host.about(ROOT);
        assert.match(about.version, /^v\d+\.\d+\.\d+$/);
        assert.ok(path.isAbsolute(about.executable));
    });
});
