/**
 * Proves a deployed broker by using it: `node verification/main.ts`, told by the environment and standard
 * input what to prove (see `target.ts`). TLS to its address with its name and our CA, or a public one where Fly's edge
 * ends TLS; a message published and received, over WebSockets too where there are any; refused without a
 * password, with a wrong one and without TLS; and refused by a client that knows only other CAs.
 *
 * A line a step with its duration, failed ones to stderr with what was expected and seen. Exit code
 * 0 when every step held, else 1. Passwords are never printed.
 */
import { readFileSync } from "node:fs";
import { visible, visibleLine } from "../lib/visible.ts";
import { targetFrom } from "./target.ts";
import type { Step } from "./verify.ts";
import { verify } from "./verify.ts";

function print(step: Step): void {
    const line = `${step.ok ? "ok    " : "FAILED"} ${String(step.ms).padStart(6)} ms  ${step.name} - ${visibleLine(step.text)}`;
    if (step.ok) console.log(line);
    else console.error(line);
}

try {
    const input = process.stdin.isTTY ? "" : readFileSync(0, "utf8");
    const steps = await verify(targetFrom(process.env, input), {
        onStep: print,
        onWait: (line) => console.error(visible(line)),
    });
    if (!steps.every(({ ok }) => ok)) process.exitCode = 1;
} catch (error) {
    console.error(visible(`verification: ${(error as Error).message}`));
    process.exitCode = 1;
}
