/** A Docker daemon that answers: found, started, or (as root on Debian) installed. */
import { spawn } from "node:child_process";
import { existsSync, mkdirSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { dockerEnvironment, dockerHost } from "../../config/dockerHost.ts";
import { canInstall, install } from "./debian.ts";
import { isAlive, noteOf, type ProcessNote } from "../fly/processes.ts";
import { LOCAL } from "../../lib/paths.ts";
import { capture, onPath, say } from "../../lib/process.ts";

/** Of the daemon that this project started; it ends with `npm run local:down`. */
const NOTE_FILE = path.join(LOCAL, "dockerd.json");
/** The daemon's own. */
const PID_FILE = "/var/run/docker.pid";
const START_SECONDS = 60;

/** @throws Error naming what a person has to do where this can't be done without asking */
export async function ensureDocker(): Promise<void> {
    // For the whole command, and what it starts: this machine's Fly and the plugins know DOCKER_HOST alone.
    const { source } = dockerHost(process.env);
    Object.assign(process.env, dockerEnvironment(process.env));
    const refusal = await refusalOf();
    if (refusal === undefined) return;
    if (source !== undefined) {
        throw new Error(`Docker doesn't answer (${source}), start it there:\n${refusal}`);
    }
    const root = process.getuid?.() === 0;
    // A user's PATH may lack the folder that has it.
    if ((await onPath("dockerd")) === undefined && !existsSync("/usr/sbin/dockerd")) {
        if (!(await canInstall())) {
            throw new Error(
                "Docker is missing: install Docker Engine (or Docker Desktop) and start it, then run this again.",
            );
        }
        await install("docker.io", "iptables");
    } else if (!root) {
        throw new Error(
            "Docker is installed, but its daemon doesn't answer: start it (`sudo systemctl start docker`) " +
                "and see that your user may use it (group docker).",
        );
    }
    // An installed service may need a moment; where there is no service manager, none comes.
    if (existsSync("/run/systemd/system")) {
        await capture(["systemctl", "start", "docker"]);
        if (await answersWithin(START_SECONDS)) return;
        throw new Error(
            "systemctl start docker: the daemon doesn't answer; see `journalctl -u docker`.",
        );
    }
    if ((await onPath("docker")) === undefined) {
        throw new Error("The docker command is missing: install Docker's client.");
    }
    await startDaemon();
}

async function answers(): Promise<boolean> {
    return (await refusalOf()) === undefined;
}

/** @returns what Docker says where it does not answer */
async function refusalOf(): Promise<string | undefined> {
    const { code, stderr } = await capture(["docker", "version"], { timeoutMs: 20_000 });
    if (code === 0) return undefined;
    return stderr.trim() || "no answer within 20 s";
}

async function answersWithin(seconds: number): Promise<boolean> {
    for (let tries = 0; tries < seconds * 4; tries++) {
        if (await answers()) return true;
        await sleep(250);
    }
    return false;
}

async function startDaemon(): Promise<void> {
    if (livesAsDaemon()) {
        // It is busy or just starting; a second one over the same data would harm both.
        if (await answersWithin(START_SECONDS)) return;
        throw new Error(`Docker's daemon runs (${PID_FILE}), but doesn't answer: restart it.`);
    }
    mkdirSync(LOCAL, { recursive: true, mode: 0o700 });
    const logFile = path.join(LOCAL, "dockerd.log");
    const log = openSync(logFile, "w");
    // A daemon that was killed leaves it behind, and a new one refuses to start if that pid lives.
    rmSync(PID_FILE, { force: true });
    const daemon = spawn("dockerd", [], { detached: true, stdio: ["ignore", log, log] });
    daemon.unref();
    if (daemon.pid === undefined) throw new Error("dockerd can't be started.");
    writeFileSync(NOTE_FILE, JSON.stringify(noteOf(daemon.pid) ?? {}));
    if (await answersWithin(START_SECONDS)) {
        say("Started Docker's daemon, which was not running; `npm run local:down` stops it.");
        return;
    }
    const end = readFileSync(logFile, "utf8").trimEnd().split("\n").slice(-5).join("\n");
    throw new Error(`dockerd doesn't answer after ${START_SECONDS} s; ${logFile} ends:\n${end}`);
}

function livesAsDaemon(): boolean {
    try {
        const pid = readFileSync(PID_FILE, "utf8").trim();
        return readFileSync(`/proc/${pid}/comm`, "utf8").trim() === "dockerd";
    } catch {
        return false;
    }
}

/** Stops the daemon if it is the one that this project started. */
export async function stopOwnDocker(): Promise<void> {
    if (!existsSync(NOTE_FILE)) return;
    const note = JSON.parse(readFileSync(NOTE_FILE, "utf8")) as ProcessNote;
    if (isAlive(note)) {
        process.kill(note.pid, "SIGTERM");
        for (let tries = 0; tries < 200 && isAlive(note); tries++) await sleep(100);
        if (isAlive(note)) process.kill(note.pid, "SIGKILL");
        say("Stopped Docker's daemon.");
    }
    rmSync(NOTE_FILE);
}
