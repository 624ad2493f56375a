/**
 * Prints a stack's outputs as JSON: `npm run --silent outputs [-- [--stack STACK] [--show-secrets]
 * [KEY…]]`. With keys such as `users tester` it prints that value alone.
 */
import { parseArgs } from "node:util";
import { say } from "../lib/process.ts";
import { stackOutputs } from "./stack.ts";

const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { stack: { type: "string" }, "show-secrets": { type: "boolean" } },
});

const result = await stackOutputs(values.stack, values["show-secrets"] ?? false);
if (result.code !== 0) {
    say(result.stderr.trimEnd());
    process.exit(1);
}
if (positionals[0] === undefined) {
    process.stdout.write(result.stdout);
} else {
    let value: unknown = JSON.parse(result.stdout);
    for (const key of positionals) value = (value as Record<string, unknown>)?.[key];
    if (value === undefined) {
        say(`There is no output ${positionals.join(" ")}.`);
        process.exit(1);
    }
    console.log(typeof value === "string" ? value : JSON.stringify(value));
}
