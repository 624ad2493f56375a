import { fork } from "node:child_process";
import { openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { end, isAlive, processesWith } from "./processes.ts";
import type { ProcessNote } from "./processes.ts";
import { Registry } from "./runtime/registry.ts";

/** What a running server leaves in `DIR/server.json` for those who look for it. */
export interface ServerNote extends ProcessNote {
    endpoint: string;
    registry: string;
    token: string;
}

/** How long a server may take to end its machines (their stop timeouts included). */
const STOP_PATIENCE_MS = 60_000;
/** A small young generation and one helper thread: the server's size is promised, not its speed. */
const NODE_FLAGS = ["--max-semi-space-size=1", "--max-old-space-size=256", "--v8-pool-size=1"];
/** One malloc arena that gives memory back: saves a fifth after the edge has carried much. */
const ENVIRONMENT = { MALLOC_ARENA_MAX: "1", MALLOC_TRIM_THRESHOLD_: "131072" };

/** The server that runs in a directory, if one does. */
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

/** A background server of a directory, whose files were deleted under it: nothing leads to it any more. */
export function orphan(dir: string): ProcessNote | undefined {
    return running(dir) === undefined
        ? processesWith(["start", "--foreground", "--dir", dir])[0]
        : undefined;
}

/** At once: asked to end, it would write its old state into the directory. @returns whether there was one */
export async function endOrphan(dir: string): Promise<boolean> {
    const note = orphan(dir);
    if (note === undefined) return false;
    process.kill(note.pid, "SIGKILL");
    await end(note, 0);
    return true;
}

type Message = { ready: true } | { error: string };

/** Starts a server of its own in the background; resolves when it serves. */
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
        child.once("exit", (code) => resolve({ error: `the server ended with code ${code}` }));
    });
    if ("error" in message) throw new Error(message.error);
    child.disconnect();
    child.unref();
    const note = running(dir);
    if (note === undefined) throw new Error("the server ended right after its start");
    return note;
}

/** Ends the server of a directory and whatever an earlier one left behind. */
export async function stop(dir: string): Promise<boolean> {
    const note = running(dir);
    await endOrphan(dir);
    await end(note, STOP_PATIENCE_MS);
    await Registry.endLeftover(dir);
    withdraw(dir);
    return note !== undefined;
}
