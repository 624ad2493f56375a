import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { end, noteOf } from "../processes.ts";
import type { ProcessNote } from "../processes.ts";

/** Longest path of a unix socket (sun_path, with some margin). */
const MAX_SOCKET_PATH = 100;

/**
 * Starts the registry and ends it when standard input closes. That happens however this server ends, so
 * the registry cannot outlive it.
 */
const GUARD = `
exec 3<&0
"$@" </dev/null &
child=$!
echo $child
(cat <&3 >/dev/null; kill $child 2>/dev/null) &
wait $child
`;

function configuration(storage: string, socket: string): string {
    return [
        "version: 0.1",
        "log: { level: error, accesslog: { disabled: true } }",
        "storage:",
        `  filesystem: { rootdirectory: ${JSON.stringify(storage)} }`,
        "  delete: { enabled: true }",
        `http: { net: unix, addr: ${JSON.stringify(socket)}, relativeurls: true, secret: local }`,
        "",
    ].join("\n");
}

/** Runs the real OCI registry (`docker-registry`) on a socket in the instance's directory. */
export class Registry {
    readonly socket: string;
    readonly #dir: string;
    readonly #program: string;
    readonly #noteFile: string;
    #child: ChildProcess | undefined;
    #note: ProcessNote | undefined;

    constructor(dir: string, instance: string, program = "docker-registry") {
        this.#dir = dir;
        this.#program = program;
        this.#noteFile = join(dir, "registry.pid");
        const near = join(dir, "registry.sock");
        this.socket =
            near.length <= MAX_SOCKET_PATH ? near : join(tmpdir(), `local-fly-${instance}.sock`);
    }

    get pid(): number | undefined {
        return this.#note?.pid;
    }

    /**
     * Starts the registry.
     * @throws Error with its output when it is missing or does not start
     */
    async start(): Promise<void> {
        await Registry.endLeftover(this.#dir);
        const storage = join(this.#dir, "registry");
        mkdirSync(storage, { recursive: true, mode: 0o700 });
        rmSync(this.socket, { force: true });
        const config = join(this.#dir, "registry.yml");
        writeFileSync(config, configuration(storage, this.socket), { mode: 0o600 });
        const child = spawn("sh", ["-c", GUARD, "sh", this.#program, "serve", config], {
            stdio: ["pipe", "pipe", "pipe"],
            env: { PATH: process.env.PATH, HOME: this.#dir, GOGC: "25", GOMAXPROCS: "2" },
            // A process group of its own: Ctrl-C in the terminal reaches only the server, which stops
            // the registry.
            detached: true,
        });
        this.#child = child;
        let said = "";
        let failed = false;
        child.stderr.on("data", (chunk: Buffer) => (said = (said + chunk.toString()).slice(-2000)));
        child.stdout.once("data", (chunk: Buffer) => {
            this.#note = noteOf(Number(chunk.toString().trim()));
            if (this.#note) writeFileSync(this.#noteFile, JSON.stringify(this.#note));
        });
        child.once("exit", () => {
            failed = true;
            child.stdin.destroy();
        });
        child.stdin.on("error", () => undefined);
        child.once("error", () => (failed = true));
        const deadline = Date.now() + 10_000;
        while (!(await answers(this.socket))) {
            if (failed || Date.now() > deadline) {
                await this.close();
                throw new Error(
                    `the registry (${this.#program}) did not start: ${said.trim() || "no answer"}. ` +
                        "Debian has it in the package docker-registry.",
                );
            }
            await new Promise((resolve) => setTimeout(resolve, 15));
        }
    }

    async close(): Promise<void> {
        this.#child?.stdin?.destroy();
        await Registry.endLeftover(this.#dir);
        rmSync(this.socket, { force: true });
    }

    /** Stops a registry that an earlier server of this directory left running. */
    static async endLeftover(dir: string): Promise<void> {
        const file = join(dir, "registry.pid");
        let note: ProcessNote | undefined;
        try {
            note = JSON.parse(readFileSync(file, "utf8")) as ProcessNote;
        } catch {
            return;
        }
        await end(note, 2000);
        rmSync(file, { force: true });
    }
}

function answers(socket: string): Promise<boolean> {
    return new Promise((resolve) => {
        const probe = connect(socket);
        probe.once("connect", () => {
            probe.destroy();
            resolve(true);
        });
        probe.once("error", () => resolve(false));
    });
}
