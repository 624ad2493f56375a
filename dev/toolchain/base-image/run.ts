import { capture } from "../../../lib/process.ts";

/** Runs a program and returns its output; rejects with its last lines unless it ends with 0. */
export async function must(
    program: string,
    args: string[],
    options: { timeoutMs?: number } = {},
): Promise<string> {
    const ended = await capture([program, ...args], options);
    if (ended.code !== 0) throw new Error(`${program} failed: ${lastLines(ended)}`);
    return ended.stdout;
}

/** What a program said at its end, in one line. */
export function lastLines(ended: { stdout: string; stderr: string }): string {
    const said = ended.stderr.trim() || ended.stdout.trim() || "it was ended, or could not start";
    return said.split("\n").slice(-3).join(" / ");
}
