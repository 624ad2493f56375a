import { spawn } from "node:child_process";

/** How a program ended: its exit code (null when it could not start or was ended) and its output. */
export interface Ended {
    code: number | null;
    stdout: string;
    stderr: string;
}

export interface RunOptions {
    env?: NodeJS.ProcessEnv;
    /** End the program when it has written nothing for so long, until it has written once. */
    firstOutputWithinMs?: number;
    /** End the program after so long, whatever it does. */
    timeoutMs?: number;
}

/** Runs a program to its end and collects what it writes. Never rejects: a start that fails is code null. */
export function run(program: string, args: string[], options: RunOptions = {}): Promise<Ended> {
    return new Promise((resolve) => {
        const child = spawn(program, args, {
            stdio: ["ignore", "pipe", "pipe"],
            env: options.env ?? process.env,
        });
        const timers: NodeJS.Timeout[] = [];
        let stdout = "";
        let stderr = "";
        let note = "";
        const end = (why: string) => {
            note = why;
            child.kill("SIGTERM");
        };
        const limit = (ms: number | undefined, why: string) => {
            if (ms === undefined) return undefined;
            const timer = setTimeout(() => end(why), ms);
            timers.push(timer);
            return timer;
        };
        const silence = limit(
            options.firstOutputWithinMs,
            `no answer within ${(options.firstOutputWithinMs ?? 0) / 1000} s`,
        );
        limit(options.timeoutMs, `not done within ${(options.timeoutMs ?? 0) / 1000} s`);
        child.stdout.on("data", (chunk: Buffer) => {
            clearTimeout(silence);
            stdout += chunk.toString();
        });
        child.stderr.on("data", (chunk: Buffer) => {
            clearTimeout(silence);
            stderr += chunk.toString();
        });
        child.on("error", (error) => {
            timers.forEach(clearTimeout);
            resolve({ code: null, stdout, stderr: error.message });
        });
        child.on("close", (code) => {
            timers.forEach(clearTimeout);
            resolve({ code: note === "" ? code : null, stdout, stderr: stderr + note });
        });
    });
}

/** As `run`, but rejects with the program's last lines when it does not end with 0. */
export async function must(
    program: string,
    args: string[],
    options: RunOptions = {},
): Promise<string> {
    const ended = await run(program, args, options);
    if (ended.code !== 0) {
        const said = (ended.stderr.trim() || ended.stdout.trim()).split("\n").slice(-4).join(" / ");
        throw new Error(`${program} ${args[0] ?? ""} failed: ${said}`);
    }
    return ended.stdout;
}
