// core
/** Runs the delegates in the real engine: what gets into the state, and which code it reaches. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { promisify } from "node:util";
import { pulumiCli } from "../../dev/toolchain/pulumi.ts";
import { NODE_ARGS } from "../../dev/harness/nodeArgs.ts";
import { packedTexts } from "../support/secrets.ts";

const ROOT = path.resolve(import.meta.dirname, "../..");
/** The official CLI, or the one built where that is not available; its hosts are beside it. */
const CLI = pulumiCli();
const PATH = [
    ...(path.isAbsolute(CLI) ? [path.dirname(CLI)] : []),
    path.dirname(process.execPath),
    process.env.PATH,
].join(path.delimiter);
const TOKEN = "fo1_what-must-not-get-into-the-state";
const PASSWORD = "a-password-that-was-given";

const run = promisify(execFile);

interface Resource {
    readonly urn: string;
    readonly type: string;
    readonly inputs?: Record<string, unknown>;
    readonly outputs?: Record<string, unknown>;
}

describe("providers in the engine", function () {
    this.timeout(120_000);
    let dir: string;

    before(async function () {
        const found = await run(CLI, ["version"]).catch((error: NodeJS.ErrnoException) => {
            if (error.code === "ENOENT") return undefined;
            throw error;
        });
        if (found === undefined) {
            console.log("      skipped: there is no Pulumi; `npm test` puts it into .toolchain");
            this.skip();
        }
    });

    beforeEach(async () => {
        dir = mkdtempSync(path.join(tmpdir(), "providers-engine-"));
        mkdirSync(path.join(dir, "backend"));
        mkdirSync(path.join(dir, "node_modules", "@pulumi"), { recursive: true });
        const sdk = path.join(ROOT, "node_modules", "@pulumi", "pulumi");
        symlinkSync(sdk, path.join(dir, "node_modules", "@pulumi", "pulumi"));
        const manifest = { name: "engine-test", type: "module", main: "index.js" };
        const dependencies = { "@pulumi/pulumi": "*" };
        write("package.json", JSON.stringify({ ...manifest, dependencies }));
        write(
            "Pulumi.yaml",
            `name: engine-test\nruntime:\n  name: nodejs\n  options:\n    typescript: false\n    nodeargs: ${NODE_ARGS}\n`,
        );
        await pulumi("stack", "init", "dev");
    });

    afterEach(() => rmSync(dir, { recursive: true, force: true }));

    function write(file: string, text: string): void {
        writeFileSync(path.join(dir, file), text);
    }

    /** Puts a package where the delegates look for the providers. */
    function install(target: string): void {
        const link = path.join(dir, "node_modules", "appkata-mqtt");
        rmSync(link, { force: true });
        symlinkSync(target, link);
    }

    async function pulumi(...args: string[]): Promise<string> {
        const { stdout } = await run(CLI, [...args, "--non-interactive"], {
            cwd: dir,
            env: {
                ...process.env,
                PATH,
                PULUMI_HOME: path.join(dir, "home"),
                PULUMI_BACKEND_URL: `file://${path.join(dir, "backend")}`,
                PULUMI_CONFIG_PASSPHRASE: "of no use to anyone",
                PULUMI_SKIP_UPDATE_CHECK: "true",
                FLY_API_TOKEN: TOKEN,
            },
        });
        return stdout;
    }

    function stateText(): string {
        const stacks = path.join(dir, "backend", ".pulumi", "stacks", "engine-test");
        return readFileSync(path.join(stacks, "dev.json"), "utf8");
    }

    function resources(): Resource[] {
        const state = JSON.parse(stateText()) as {
            checkpoint: { latest: { resources: Resource[] } };
        };
        return state.checkpoint.latest.resources.filter(({ type }) =>
            type.startsWith("pulumi-nodejs:dynamic/"),
        );
    }

    function outputs(): Promise<string> {
        return pulumi("stack", "output", "--json", "--show-secrets");
    }

    const program = `
        import { Name, Passwords } from ${JSON.stringify(path.join(ROOT, "providers", "index.ts"))};
        const name = new Name("name", { prefix: "engine" });
        const users = [{ user: "made" }, { user: "given", password: ${JSON.stringify(PASSWORD)} }];
        const { kept } = new Passwords("passwords", { users, iterations: 1000 });
        export const made = [name.name, kept];
    `;

    it("keep secrets out of the state, which is unchanged if nothing changed", async () => {
        install(ROOT);
        write("index.js", program);
        await pulumi("config", "set", "--secret", "fly:token", `${TOKEN}-from-config`);
        await pulumi("up", "--yes", "--skip-preview");
        const before = stateText();
        assert.ok(!before.includes(TOKEN));
        assert.ok(!before.includes(PASSWORD));
        assert.ok(!before.includes("$7$1000$"));
        assert.deepEqual(packedTexts(before), []);
        const exported = await pulumi("stack", "export", "--show-secrets");
        assert.equal(new Set(packedTexts(exported)).size, 2, "users and kept");
        const made = resources();
        assert.deepEqual(made.map(({ type }) => type).sort(), [
            "pulumi-nodejs:dynamic/kept:Name",
            "pulumi-nodejs:dynamic/kept:Passwords",
        ]);
        // The state lists resources in the order of their creation, which varies.
        const code = () =>
            Object.fromEntries(
                resources().map(({ urn, outputs }) => [urn, String(outputs?.__provider)]),
            );
        const firstCode = code();
        for (const text of Object.values(firstCode))
            assert.ok(text.length < 600, `${text.length} characters`);
        const first = await outputs();
        assert.match(first, /\$7\$1000\$/);
        assert.match(await pulumi("preview"), /3 unchanged/);
        await pulumi("up", "--yes", "--skip-preview");
        assert.equal(await outputs(), first);
        await pulumi("refresh", "--yes", "--skip-preview");
        assert.equal(await outputs(), first);
        assert.match(await pulumi("preview"), /3 unchanged/);
        await pulumi("up", "--yes", "--skip-preview");
        assert.deepEqual(code(), firstCode);
        await pulumi("destroy", "--yes", "--skip-preview");
    });

    it("reach old resources with new code, also on refresh and delete", async () => {
        // Two versions of the package, which record their calls.
        for (const version of ["old", "new"]) {
            const home = path.join(dir, version);
            mkdirSync(home);
            const manifest = {
                name: "appkata-mqtt",
                type: "module",
                exports: { "./providers": "./entry.js" },
            };
            writeFileSync(path.join(home, "package.json"), JSON.stringify(manifest));
            const note = `(what) => appendFileSync(${JSON.stringify(path.join(dir, "notes"))}, "${version} " + what + "\\n")`;
            writeFileSync(
                path.join(home, "entry.js"),
                `import { appendFileSync } from "node:fs";
                const note = ${note};
                const provider = {
                    async configure() {},
                    async check(olds, news) { return { inputs: news }; },
                    async diff() { return { changes: false }; },
                    async create(inputs) { note("create"); return { id: "1", outs: { ...inputs, name: "${version}" } }; },
                    async read(id, props) { note("read"); return { id, props: { ...props, name: "${version}" } }; },
                    async update(id, olds, news) { note("update"); return { outs: news }; },
                    async delete() { note("delete"); },
                };
                export { provider as Name };`,
            );
        }
        write(
            "index.js",
            `import { Name } from ${JSON.stringify(path.join(ROOT, "providers", "index.ts"))};
            new Name("name", { prefix: "engine" });`,
        );
        install(path.join(dir, "old"));
        await pulumi("up", "--yes", "--skip-preview");
        install(path.join(dir, "new"));
        assert.match(await pulumi("preview"), /2 unchanged/);
        await pulumi("refresh", "--yes", "--skip-preview");
        assert.equal(resources()[0]?.outputs?.name, "new");
        await pulumi("destroy", "--yes", "--skip-preview");
        const notes = readFileSync(path.join(dir, "notes"), "utf8").trim().split("\n");
        assert.deepEqual(notes, ["old create", "new read", "new delete"]);
    });
});
