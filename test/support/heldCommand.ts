/** Commands of the project that are stopped where the machine is at a certain point. */
import { spawn, type ChildProcess } from "node:child_process";
import { capture } from "../../lib/process.ts";
import { until } from "../../dev/harness/until.ts";

export async function inContainer(container: string, script: string): Promise<string> {
    const ended = await capture(["docker", "exec", container, "sh", "-c", script]);
    if (ended.code !== 0) throw new Error(ended.stderr);
    return ended.stdout;
}

/** What is there while a program of the machine waits. */
export const WAITS = ["test", "-e", "/run/waits"];

/** Has a program of broker-backup's wait, where a condition holds, until it is told to go on. */
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
 * Starts a command until the machine is that far. It leads a process group, and its temporary files are in
 * the project.
 * @param test a command in the machine that succeeds then
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
    await until(`${command} is that far`, async () => (await capture(look)).code === 0, {
        withinMs: 60_000,
        everyMs: 20,
    });
    return { run, output: () => output, ended };
}
