import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import {
    announce,
    endOrphan,
    orphan,
    running,
    startInBackground,
    stop,
    withdraw,
} from "./daemon.ts";
import type { ServerNote } from "./daemon.ts";
import { instanceOf } from "./instance.ts";
import { noteOf } from "./processes.ts";
import { PUBLIC_CA_FILES } from "./publicCa.ts";
import type { Refused } from "./runtime/edge.ts";
import { readState } from "./state.ts";
import { summarize } from "./status.ts";

const USAGE = `Local Fly: the Machines API, with Docker containers as machines.

  node dev/fly/main.ts start    start in the background (returns when ready)
  node dev/fly/main.ts stop     stop it and its machines; apps and volumes stay
  node dev/fly/main.ts status   print one JSON object
  node dev/fly/main.ts reset    stop it and remove everything it created

  --dir DIR            its state's directory   (.local/fly)
  --port N             the Machines API's port (4280)
  --registry-port N    the registry's port     (4281)
  --foreground         with start: stay in the foreground
`;

interface Options {
    dir: string;
    port: number;
    registryPort: number;
    foreground: boolean;
}

function port(text: string, name: string): number {
    const number = Number(text);
    if (!Number.isInteger(number) || number < 0 || number > 65535) {
        throw new Error(`--${name} must be a port number, not ${text}`);
    }
    return number;
}

function read(argv: string[]): { command: string; options: Options } {
    const { values, positionals } = parseArgs({
        args: argv,
        allowPositionals: true,
        options: {
            dir: { type: "string", default: ".local/fly" },
            port: { type: "string", default: "4280" },
            "registry-port": { type: "string", default: "4281" },
            foreground: { type: "boolean", default: false },
            help: { type: "boolean", default: false },
        },
    });
    return {
        command: values.help ? "help" : (positionals[0] ?? "help"),
        options: {
            dir: resolve(values.dir),
            port: port(values.port, "port"),
            registryPort: port(values["registry-port"], "registry-port"),
            foreground: values.foreground,
        },
    };
}

/** Serves until a signal stops it. */
async function serve(options: Options): Promise<void> {
    // Applies also to files that the registry writes.
    process.umask(0o077);
    const { startLocalFly } = await import("./index.ts");
    const fly = await startLocalFly(options);
    const me = noteOf(process.pid);
    if (me !== undefined) {
        const { endpoint, registry, token } = fly;
        announce(fly.dir, { ...me, endpoint, registry, token });
    }
    let ending = false;
    const finish = () => {
        if (ending) return;
        ending = true;
        void fly.close().then(
            () => {
                withdraw(fly.dir);
                process.exit(0);
            },
            (error: unknown) => {
                console.error(error);
                process.exit(1);
            },
        );
    };
    for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"] as const) process.on(signal, finish);
    if (process.send === undefined) printAddresses(fly.endpoint, fly.registry);
    process.send?.({ ready: true });
}

function printAddresses(endpoint: string, registry: string): void {
    console.log(`local Fly: Machines API ${endpoint}, registry ${registry}`);
}

async function start(options: Options): Promise<void> {
    const { dir } = instanceOf(options.dir);
    const found = running(dir);
    if (found !== undefined) return printAddresses(found.endpoint, found.registry);
    if (options.foreground) return serve(options);
    const args = [
        ...["--dir", dir, "--port", String(options.port)],
        ...["--registry-port", String(options.registryPort)],
    ];
    const hadState = existsSync(join(dir, "state.json"));
    try {
        const note = await startInBackground(dir, args);
        return printAddresses(note.endpoint, note.registry);
    } catch (error) {
        const other = await startedMeanwhile(dir);
        if (other !== undefined) return printAddresses(other.endpoint, other.registry);
        if (!(await endOrphan(dir))) throw error;
    }
    if (!hadState) await forget(dir);
    const note = await startInBackground(dir, args);
    printAddresses(note.endpoint, note.registry);
}

/** Finds a server that another command has just started, unless its files were deleted. */
async function startedMeanwhile(dir: string): Promise<ServerNote | undefined> {
    for (let left = 100; left > 0 && orphan(dir) !== undefined; left--) {
        await new Promise((resolve) => setTimeout(resolve, 100));
    }
    return running(dir);
}

/** Removes what a server whose files were deleted has left. */
async function forget(dir: string): Promise<void> {
    const { reset } = await import("./reset.ts");
    await reset(dir);
    instanceOf(dir);
    console.error(
        `the files of a local Fly in ${dir} were deleted while it ran: it was stopped, and its machines ` +
            "and volumes were removed",
    );
}

/** Lists addresses that a running server cannot listen on, and why. */
async function refusedBy({ endpoint, token }: ServerNote): Promise<Refused[]> {
    const headers = { authorization: `Bearer ${token}` };
    const answer = await fetch(`${endpoint}/_local/state`, { headers });
    return ((await answer.json()) as { refused: Refused[] }).refused;
}

async function status(options: Options): Promise<void> {
    const note = existsSync(options.dir) ? running(options.dir) : undefined;
    const state = readState(join(options.dir, "state.json"));
    const alive = note ?? orphan(options.dir);
    const about = {
        running: alive !== undefined,
        endpoint: note?.endpoint ?? null,
        registry: note?.registry ?? null,
        token: note?.token ?? state?.token ?? null,
        pid: alive?.pid ?? null,
        dir: options.dir,
        publicCaFile: join(options.dir, PUBLIC_CA_FILES[0]),
        apps: state === undefined ? [] : summarize(state),
        refused: note === undefined ? [] : await refusedBy(note),
    };
    console.log(JSON.stringify(about, undefined, 2));
}

async function main(): Promise<void> {
    const { command, options } = read(process.argv.slice(2));
    switch (command) {
        case "start":
            return start(options);
        case "stop":
            await stop(options.dir);
            return;
        case "status":
            return status(options);
        case "reset": {
            if (!existsSync(options.dir) && orphan(options.dir) === undefined) return;
            await stop(options.dir);
            instanceOf(options.dir);
            const { reset } = await import("./reset.ts");
            return reset(options.dir);
        }
        case "help":
            console.log(USAGE);
            return;
        default:
            console.error(`local Fly: unknown command ${command}\n\n${USAGE}`);
            process.exitCode = 2;
    }
}

try {
    await main();
} catch (error) {
    const text = error instanceof Error ? error.message : String(error);
    if (process.send === undefined) console.error(`local Fly: ${text}`);
    process.send?.({ error: text });
    process.exitCode = 1;
    process.disconnect?.();
}
