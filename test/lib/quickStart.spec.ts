// core
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { ROOT } from "../../lib/paths.ts";
import { capture } from "../../lib/process.ts";

const PROGRAM = `interface Said {
    text: string;
}
const said: Said = { text: "said" };
if (process.argv[2] === "fail") throw new Error(said.text);
console.log(said.text);
`;

describe("a program that starts quickly", () => {
    let dir: string;

    before(() => {
        dir = mkdtempSync(path.join(tmpdir(), "quick-start-"));
        mkdirSync(at("node_modules"));
        for (const name of ["typescript", "@pulumi"]) {
            symlinkSync(path.join(ROOT, "node_modules", name), at(`node_modules/${name}`));
        }
        writeFileSync(at("package.json"), '{"type":"module"}');
        writeFileSync(at("index.ts"), PROGRAM);
    });
    after(() => rmSync(dir, { recursive: true, force: true }));

    const at = (name: string) => path.join(dir, name);
    const run = (...args: string[]) =>
        capture(
            [process.execPath, "--require", path.join(ROOT, "lib", "quickStart.cjs"), ...args],
            {
                cwd: dir,
            },
        );

    it("runs unchanged, from the cache too, and prints nothing extra", async () => {
        for (const time of ["first", "second"]) {
            const { code, stdout, stderr } = await run("index.ts");
            assert.deepEqual(
                { code, stdout, stderr },
                { code: 0, stdout: "said\n", stderr: "" },
                time,
            );
        }
    });

    it("keeps its line numbers in errors", async () => {
        const { stderr } = await run("index.ts", "fail");
        assert.match(stderr, /^Error: said\n +at file:.*\/index\.ts:5:\d+/m);
    });

    it("is compiled again once it changes", async () => {
        writeFileSync(at("index.ts"), PROGRAM.replace('"said"', '"changed"'));
        assert.equal((await run("index.ts")).stdout, "changed\n");
    });

    it("loads the SDK's late packages when they are used", async () => {
        const script =
            "console.log(require('typescript').version, require.cache[require.resolve('typescript')].loaded)";
        assert.match((await run("-e", script)).stdout, /^\d+\.\d+\.\d+ true\n$/);
    });

    it("gives the engine the beginning of the SDK's debug messages, and all of others", async () => {
        const script =
            "const { log } = require('@pulumi/pulumi');" +
            "require('@pulumi/pulumi/runtime/settings').excessiveDebugOutput = true;" +
            "for (const say of [log.debug, log.info]) say('x'.repeat(5000));";
        const { stdout } = await run("-e", script);
        assert.deepEqual(
            stdout.split("\n").map((line) => line.replace(/^\w+: \[runtime\] /, "").length),
            [2000, 5000, 0],
        );
    });
});
