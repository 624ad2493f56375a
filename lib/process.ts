/** Runs child processes, with progress lines for long ones and the end of the log on failure. */
import { spawn } from "node:child_process";
import { closeSync, mkdirSync, openSync, readFileSync } from "node:fs";
import path from "node:path";
import { visible } from "../lib/visible.ts";
import { LOGS } from "./paths.ts";

const PROGRESS_EVERY_MS = 15_000;

export function say(text: string): void {
    process.stderr.write(`${visible(text)}\n`);
}

export interface StepOptions {
    /** Description of the work, starting a line. */
    title: string;
    /** Expected duration, such as "about 4 minutes, once". */
    expect?: string;
    cwd?: string;
    env?: NodeJS.ProcessEnv;
}

/**
 * Runs a command with its output in `.toolchain/logs/`. Prints what runs and, every 15 s, for how long.
 * @throws Error with the last lines of the output
 */
export async function step(command: string[], options: StepOptions): Promise<void> {
    const [program, ...args] = command;
    const started = Date.now();
    const seconds = () => `${Math.round((Date.now() - started) / 1000)} s`;
    say(`${options.title}${options.expect === undefined ? "" : ` (${options.expect})`} …`);
    const progress = setInterval(
        () => say(`  … ${seconds()}: ${options.title}`),
        PROGRESS_EVERY_MS,
    );
    mkdirSync(LOGS, { recursive: true });
    const log = path.join(LOGS, `${options.title.replace(/[^A-Za-z0-9]+/g, "-")}.log`);
    const file = openSync(log, "w");
    try {
        const child = spawn(program!, args, {
            cwd: options.cwd,
            env: options.env ?? process.env,
            stdio: ["ignore", file, file],
        });
        const code = await new Promise<number | string>((resolve, reject) => {
            child.on("error", reject);
            child.on("exit", (status, signal) => resolve(status ?? signal ?? "no status"));
        });
        if (code !== 0) {
            const end = readFileSync(log, "utf8").trimEnd().split("\n").slice(-15).join("\n");
            throw new Error(`${options.title} failed (${program}: ${code}); ${log} ends:\n${end}`);
        }
        if (Date.now() - started > 2000) say(`  done in ${seconds()}: ${options.title}`);
    } finally {
        clearInterval(progress);
        closeSync(file);
    }
}

export interface Captured {
    code: number | null;
    stdout: string;
    stderr: string;
}

/** Runs a command to its end. A missing program gives code null. */
export function capture(
    command: string[],
    options: { env?: NodeJS.ProcessEnv; cwd?: string; timeoutMs?: number; input?: string } = {},
): Promise<Captured> {
    const [program, ...args] = command;
    return new Promise((resolve) => {
        const child = spawn(program!, args, {
            cwd: options.cwd,
            env: options.env ?? process.env,
            stdio: [options.input === undefined ? "ignore" : "pipe", "pipe", "pipe"],
            timeout: options.timeoutMs,
            killSignal: "SIGKILL",
        });
        let stdout = "";
        let stderr = "";
        child.stdin?.end(options.input);
        child.stdout!.setEncoding("utf8").on("data", (text: string) => (stdout += text));
        child.stderr!.setEncoding("utf8").on("data", (text: string) => (stderr += text));
        child.on("error", (error) => resolve({ code: null, stdout, stderr: error.message }));
        child.on("close", (code) => resolve({ code, stdout, stderr }));
    });
}

export async function onPath(program: string): Promise<string | undefined> {
    const { code, stdout } = await capture(["/bin/sh", "-c", `command -v ${program}`]);
    return code === 0 ? stdout.trim() : undefined;
}
