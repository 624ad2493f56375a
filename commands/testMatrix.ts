/**
 * Runs every case of a test matrix, two phases at a time: `npm run test:crash`, `test:faults` and so
 * on; `npm run test:all` runs only a sample. Naming a case (`… -- update 'POST
 * /v1/apps/:app/machines/:machine #1 applied'`) runs that one alone.
 */
import { spawn } from "node:child_process";
import { globSync } from "node:fs";
import path from "node:path";
import { BIN, ROOT } from "../lib/paths.ts";
import { say } from "../lib/process.ts";
import { ensureTestTools } from "../dev/toolchain/testTools.ts";

const [folder, phase = "*", only = "all"] = process.argv.slice(2);

try {
    const specs = globSync(`test/${folder}/${phase}.spec.ts`, { cwd: ROOT }).toSorted();
    if (specs.length === 0) throw new Error(`There is no test/${folder}/${phase}.spec.ts.`);
    say(`In use: ${await ensureTestTools()}.`);
    process.exitCode = await mocha(["--parallel", "--jobs", "2", ...specs]);
} catch (error) {
    say((error as Error).message);
    process.exitCode = 1;
}

function mocha(args: string[]): Promise<number> {
    const PATH = [path.join(ROOT, "node_modules", ".bin"), BIN, process.env.PATH].join(
        path.delimiter,
    );
    return new Promise((resolve, reject) => {
        const child = spawn("mocha", args, {
            cwd: ROOT,
            stdio: "inherit",
            env: { ...process.env, PATH, APPKATA_CASES: only },
        });
        child.on("error", reject);
        child.on("exit", (code) => resolve(code ?? 1));
    });
}
