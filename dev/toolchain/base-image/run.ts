import { capture } from "../../../lib/process.ts";

/**
 * Runs a program and returns its output.
 * @throws Error with its last lines unless it exits with 0
 */
export async function must(
    program: string,
    args: string[],
    options: { timeoutMs?: number } = {},
): Promise<string> {
    const ended = await capture([program, ...args], options);
    if (ended.code !== 0) throw new Error(`${program} failed: ${lastLines(ended)}`);
    return ended.stdout;
}

/** Joins a program's last lines of output into one. */
export function lastLines(ended: { stdout: string; stderr: string }): string {
    const said = ended.stderr.trim() || ended.stdout.trim() || "it was killed, or could not start";
    return said.split("\n").slice(-3).join(" / ");
}
