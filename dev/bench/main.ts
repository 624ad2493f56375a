/** Runs one of the programs beside this file, or all of them without a name: `npm run bench -- NAME`. */
import { readdirSync } from "node:fs";
import path from "node:path";
import { BIN } from "../../lib/paths.ts";
import { say } from "../../lib/process.ts";
import { ensureTestTools } from "../toolchain/testTools.ts";

// Works from a bare clone too, like `npm test`.
say(`In use: ${await ensureTestTools()}.`);
process.env.PATH = [BIN, process.env.PATH].join(path.delimiter);

const all = readdirSync(import.meta.dirname)
    .filter((file) => file.endsWith(".ts") && file !== path.basename(import.meta.filename))
    .map((file) => path.basename(file, ".ts"));
const wanted = process.argv.length > 2 ? process.argv.slice(2) : all;
for (const name of wanted) {
    if (!all.includes(name)) throw new Error(`there is no ${name}; there are ${all.join(", ")}`);
    console.log(`== ${name}`);
    await import(`./${name}.ts`);
}
