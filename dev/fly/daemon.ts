import { fork } from "node:child_process";
import { openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { end, isAlive, processesWith } from "./processes.ts";
import type { ProcessNote } from "./processes.ts";
import { Registry } from "./runtime/registry.ts";

/** Content of `DIR/server.json`, by which commands find a running server. */
export interface ServerNote extends ProcessNote {
    endpoint: string;
    registry: string;
    token: string;
}

/** Time that a server gets to stop its machines, including their stop timeouts. */
const STOP_PATIENCE_MS = 60_000;
/** A small young generation and one helper thread: the server promises a small size, not speed. */
const NODE_FLAGS = ["--max-semi-space-size=1", "--max-old-space-size=256", "--v8-pool-size=1"];
/** One malloc arena that returns memory to the system: saves a fifth after heavy traffic at the edge. */
const ENVIRONMENT = { MALLOC_ARENA_MAX: "1", MALLOC_TRIM_THRESHOLD_: "131072" };

/** Finds the server that runs in a directory. */
export function running(dir: string): ServerNote | undefined {
    try {
        const note = JSON.parse(readFileSync(join(dir, "server.json"), "utf8")) as ServerNote;
        return isAlive(note) ? note : undefined;
    } catch {
        return undefined;
    }
}

export function announce(dir: string, note: ServerNote): void {
    writeFileSync(join(dir, "server.json"), JSON.stringify(note), { mode: 0o600 });
}

export function withdraw(dir: string): void {
    rmSync(join(dir, "server.json"), { force: true });
}

/** Finds a background server whose directory was deleted: nothing else leads to it any more. */
export function orphan(dir: string): ProcessNote | undefined {
    return running(dir) === undefined
        ? processesWith(["start", "--foreground", "--dir", dir])[0]
        : undefined;
}

/**
 * Kills such a server. Asked to stop, it would write its old state into the directory.
 * @returns whether there was one
 */
export async function endOrphan(dir: string): Promise<boolean> {
    const note = orphan(dir);
    if (note === undefined) return false;
    process.kill(note.pid, "SIGKILL");
    await end(note, 0);
    return true;
}

type Message = { ready: true } | { error: string };

/** Starts a server in the background and resolves when it serves. */
export async function startInBackground(dir: string, args: string[]): Promise<ServerNote> {
    const output = openSync(join(dir, "server.log"), "a", 0o600);
    const main = fileURLToPath(new URL("main.ts", import.meta.url));
    const child = fork(main, ["start", "--foreground", ...args], {
        detached: true,
        execArgv: NODE_FLAGS,
        env: { ...ENVIRONMENT, ...process.env },
        stdio: ["ignore", output, output, "ipc"],
    });
    const message = await new Promise<Message>((resolve) => {
        child.once("message", (told) => resolve(told as Message));
        child.once("error", (error) => resolve({ error: error.message }));
        child.once("exit", (code) => resolve({ error: `the server exited with code ${code}` }));
    });
    if ("error" in message) throw new Error(message.error);
    child.disconnect();
    child.unref();
    const note = running(dir);
    if (note === undefined) throw new Error("the server exited right after its start");
    return note;
}

/** Stops a directory's server and cleans up after a previous one. */
export async function stop(dir: string): Promise<boolean> {
    const note = running(dir);
    await endOrphan(dir);
    await end(note, STOP_PATIENCE_MS);
    await Registry.endLeftover(dir);
    withdraw(dir);
    return note !== undefined;
}
