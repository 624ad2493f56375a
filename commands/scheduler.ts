/**
 * Runs jobs side by side: at least one a core, and more while cores are idle, since most jobs mainly
 * wait. Each job's output goes to its own log and is shown when the job fails.
 */
import { spawn, type ChildProcess } from "node:child_process";
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, rmSync } from "node:fs";
import { availableParallelism, cpus } from "node:os";
import path from "node:path";
import { LOGS, ROOT } from "../lib/paths.ts";
import { say } from "../lib/process.ts";

export interface Job {
    readonly name: string;
    readonly command: readonly string[];
    readonly cwd?: string;
    readonly env?: NodeJS.ProcessEnv;
    /** File that the job writes when its tests are done; the process must exit soon after. */
    readonly report?: string;
    /** Whether it waits for `ready`. */
    readonly needsTools?: boolean;
    /** Reason to skip the job, asked when it could start. */
    readonly skip?: () => string | undefined;
    /**
     * Expected duration in seconds.
     * @default 20
     */
    readonly expectedS?: number | undefined;
}

export interface Done {
    readonly job: Job;
    readonly code: number | null;
    readonly seconds: number;
    readonly output: string;
    /** Reason why the job was skipped. */
    readonly skipped?: string;
}

/**
 * Longest time between a job's last test and its exit. A job that takes longer has left something
 * running.
 */
const LINGER_MS = 30_000;
const PROGRESS_EVERY_MS = 15_000;
const TICK_MS = 500;
/** Time a new job gets to show how much CPU it uses. */
const SETTLE_MS = 2000;
/** Share of the CPU above which no further job starts. */
const BUSY = 0.7;

const AT_LEAST = Math.max(2, availableParallelism());
const AT_MOST = 4 * AT_LEAST;

export interface Options {
    /** Resolves when the tools are installed. A rejection fails every job that needs them. */
    readonly ready: Promise<unknown>;
    readonly onDone: (done: Done) => void;
}

/**
 * Runs all jobs, in order, except that jobs waiting for the tools let others pass.
 * @throws Error after a signal, once the running jobs have cleaned up
 */
export async function runJobs(jobs: readonly Job[], { ready, onDone }: Options): Promise<void> {
    const begun = Date.now();
    const waiting = [...jobs];
    const running = new Map<Job, { since: number; end: Promise<void> }>();
    let tools: "awaited" | "there" | Error = "awaited";
    ready.then(
        () => (tools = "there"),
        (error: Error) => (tools = error),
    );
    const load = new Load();
    let lastStart = 0;
    let lastNews = Date.now();
    let asked: NodeJS.Signals | undefined;
    for (const signal of ["SIGINT", "SIGTERM"] as const) {
        process.once(signal, () => {
            asked = signal;
            waiting.length = 0;
            say("Stopping the running jobs; press Ctrl-C again to exit at once.");
            // Ctrl-C reaches the children by itself.
            if (signal === "SIGTERM") for (const child of children) child.kill("SIGINT");
        });
    }

    const start = (job: Job): void => {
        lastStart = Date.now();
        const failure = job.needsTools && tools instanceof Error ? tools : undefined;
        const end = (failure ? Promise.resolve(failed(job, failure)) : run(job)).then((done) => {
            running.delete(job);
            onDone(done);
        });
        running.set(job, { since: lastStart, end });
    };

    while (waiting.length > 0 || running.size > 0) {
        const busy = load.measure();
        const next = waiting.findIndex(({ needsTools }) => !needsTools || tools !== "awaited");
        const settled = Date.now() - lastStart > SETTLE_MS;
        const more = running.size < AT_MOST && settled && busy < BUSY;
        if (next >= 0 && (running.size < AT_LEAST || more)) {
            start(waiting.splice(next, 1)[0]!);
            continue;
        }
        if (Date.now() - lastNews > PROGRESS_EVERY_MS) {
            lastNews = Date.now();
            const now = [...running].map(([job, { since }]) => `${job.name} ${seconds(since)} s`);
            const done = jobs.length - waiting.length - running.size;
            say(
                `  … ${seconds(begun)} s: ${done} of ${jobs.length} done${left(waiting, running)}; ` +
                    (now.length > 0 ? `running: ${now.join(", ")}` : "waiting for the tools"),
            );
        }
        const ends = [...running.values()].map(({ end }) => end);
        await Promise.race([...ends, new Promise((resolve) => setTimeout(resolve, TICK_MS))]);
    }
    if (asked !== undefined) throw new Error(`ended by ${asked}`);
}

/** Estimates the time left from the jobs' previous durations. */
function left(waiting: readonly Job[], running: ReadonlyMap<Job, { since: number }>): string {
    const sum = [...waiting, ...running.keys()].reduce((total, job) => {
        const since = running.get(job)?.since;
        const ran = since === undefined ? 0 : seconds(since);
        return total + Math.max(0, (job.expectedS ?? 20) - ran);
    }, 0);
    return `, about ${Math.max(1, Math.ceil(sum / Math.max(AT_LEAST, running.size) / 60))} min left`;
}

function seconds(since: number): number {
    return Math.round((Date.now() - since) / 1000);
}

/** Processes of the running jobs. */
const children = new Set<ChildProcess>();

function failed(job: Job, { message }: Error): Done {
    return { job, code: null, seconds: 0, output: message };
}

function run(job: Job): Promise<Done> {
    const skipped = job.skip?.();
    if (skipped !== undefined) {
        return Promise.resolve({ job, code: 0, seconds: 0, output: "", skipped });
    }
    const [program, ...args] = job.command;
    const begun = Date.now();
    mkdirSync(LOGS, { recursive: true });
    const log = path.join(LOGS, `test-${job.name.replace(/[^A-Za-z0-9]+/g, "-")}.log`);
    const file = openSync(log, "w");
    // A report left by an earlier run would count as this job's end.
    if (job.report !== undefined) rmSync(job.report, { force: true });
    const child = spawn(program!, args, {
        cwd: job.cwd ?? ROOT,
        stdio: ["ignore", file, file],
        env: { ...process.env, ...job.env },
    });
    closeSync(file);
    children.add(child);
    return new Promise((resolve) => {
        let reportedAt: number | undefined;
        const watch = setInterval(() => {
            if (job.report === undefined || !existsSync(job.report)) return;
            reportedAt ??= Date.now();
            if (Date.now() - reportedAt > LINGER_MS) child.kill("SIGKILL");
        }, 1000);
        const end = (code: number | null, note = "") => {
            clearInterval(watch);
            children.delete(child);
            const output = readFileSync(log, "utf8") + note;
            resolve({ job, code, seconds: (Date.now() - begun) / 1000, output });
        };
        child.on("error", ({ message }) => end(null, `${message}\n`));
        child.on("exit", (code, signal) =>
            end(
                code,
                signal === "SIGKILL"
                    ? "The job did not exit after its last test: it left something running.\n"
                    : "",
            ),
        );
    });
}

/** Measures the share of this machine's CPU in use since the previous measurement. */
class Load {
    #idle = 0;
    #total = 0;
    #busy = 1;

    measure(): number {
        const times = cpus().map((cpu) => cpu.times);
        const idle = times.reduce((sum, one) => sum + one.idle, 0);
        const total = times.reduce(
            (sum, { user, nice, sys, irq, idle }) => sum + user + nice + sys + irq + idle,
            0,
        );
        // Two samples in quick succession say too little.
        if (total - this.#total > 300 * times.length) {
            this.#busy = 1 - (idle - this.#idle) / (total - this.#total);
            this.#idle = idle;
            this.#total = total;
        }
        return this.#busy;
    }
}
