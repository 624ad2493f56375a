/** Runs the project's commands up to a given point in the machine. */
import { spawn, type ChildProcess } from "node:child_process";
import { capture } from "../../lib/process.ts";
import { until } from "../../dev/harness/until.ts";

export async function inContainer(container: string, script: string): Promise<string> {
    const ended = await capture(["docker", "exec", container, "sh", "-c", script]);
    if (ended.code !== 0) throw new Error(ended.stderr);
    return ended.stdout;
}

/** Succeeds while a program of the machine waits. */
export const WAITS = ["test", "-e", "/run/waits"];

/** Makes a program that broker-backup calls wait, if a condition holds, until it is released. */
export async function waitsAt(
    container: string,
    program: string,
    condition: string,
): Promise<() => Promise<void>> {
    const wait = ": >/run/waits; while [ -e /run/waits ]; do sleep 0.1; done";
    const first = `[ -z "\${waited:-}" ] && ${condition}`;
    const text = `${program}() { if ${first}; then waited=1; ${wait}; fi; command ${program} "$@"; }`;
    const library = "/usr/local/lib/broker-data";
    await inContainer(container, `cp ${library} /run/library && echo '${text}' >>${library}`);
    return async () => {
        await inContainer(container, `cat /run/library >${library}; rm /run/waits`);
    };
}

export interface HeldCommand {
    run: ChildProcess;
    /** All of its output so far. */
    output: () => string;
    ended: Promise<void>;
}

/**
 * Starts a command and waits until the machine is at a given point. It leads a process group, and its
 * temporary files are in the project.
 * @param test a command in the machine that succeeds at that point
 */
export async function runUntil(
    dir: string,
    container: string,
    command: string,
    args: string[],
    test: string[],
): Promise<HeldCommand> {
    const run = spawn("npm", ["run", "--silent", command, "--", ...args], {
        cwd: dir,
        env: { ...process.env, TMPDIR: dir },
        stdio: ["ignore", "pipe", "pipe"],
        detached: true,
    });
    let output = "";
    for (const stream of [run.stdout, run.stderr]) {
        stream.on("data", (chunk: Buffer) => (output += chunk.toString()));
    }
    const ended = new Promise<void>((resolve) => run.on("exit", () => resolve()));
    const look = ["docker", "exec", container, ...test];
    await until(`${command} has come so far`, async () => (await capture(look)).code === 0, {
        withinMs: 60_000,
        everyMs: 20,
    });
    return { run, output: () => output, ended };
}
