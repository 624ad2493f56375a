/**
 * Verifies a deployed broker by using it: `node verification/main.ts`, with its target in the
 * environment and on standard input (see `target.ts`). It checks TLS to the broker's address with its
 * name and our CA, or a public CA where Fly's edge ends TLS; publishes and receives a message, also
 * over WebSockets if enabled; and checks that logins without a password, with a wrong one and without
 * TLS are refused, and that a client trusting only other CAs refuses the server.
 *
 * Prints one line a step with its duration; failed steps go to stderr with what was expected and seen.
 * Exits with 0 if every step passed, else 1. Never prints passwords.
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
