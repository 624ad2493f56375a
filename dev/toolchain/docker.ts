/** Provides a running Docker daemon: found, started or, as root on Debian, installed. */
import { spawn } from "node:child_process";
import { existsSync, mkdirSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { dockerEnvironment, dockerHost } from "../../config/dockerHost.ts";
import { canInstall, install } from "./debian.ts";
import { isAlive, noteOf, type ProcessNote } from "../fly/processes.ts";
import { LOCAL } from "../../lib/paths.ts";
import { capture, onPath, say } from "../../lib/process.ts";

/** Records the daemon that this project started, until `npm run local:down` stops it. */
const NOTE_FILE = path.join(LOCAL, "dockerd.json");
/** The daemon's own PID file. */
const PID_FILE = "/var/run/docker.pid";
const START_SECONDS = 60;

/**
 * Makes sure that a Docker daemon answers.
 * @throws Error that says what to do if it takes the user's decision
 */
export async function ensureDocker(): Promise<void> {
    // Set for the whole command and its children: the local Fly and the plugins know only DOCKER_HOST.
    const { source } = dockerHost(process.env);
    Object.assign(process.env, dockerEnvironment(process.env));
    const refusal = await refusalOf();
    if (refusal === undefined) return;
    if (source !== undefined) {
        throw new Error(`Docker doesn't answer (${source}): start it.\n${refusal}`);
    }
    const root = process.getuid?.() === 0;
    // dockerd's folder may not be in the user's PATH.
    if ((await onPath("dockerd")) === undefined && !existsSync("/usr/sbin/dockerd")) {
        if (!(await canInstall())) {
            throw new Error(
                "Docker is not installed: install Docker Engine or Docker Desktop, start it and run this again.",
            );
        }
        await install("docker.io", "iptables");
    } else if (!root) {
        throw new Error(
            "Docker is installed, but its daemon doesn't answer: start it (`sudo systemctl start docker`) " +
                "and make sure that your user may use it (group docker).",
        );
    }
    // An installed service may take a moment to start. Without a service manager nothing starts it.
    if (existsSync("/run/systemd/system")) {
        await capture(["systemctl", "start", "docker"]);
        if (await answersWithin(START_SECONDS)) return;
        throw new Error(
            "Docker's daemon doesn't answer after `systemctl start docker`: see `journalctl -u docker`.",
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

/**
 * Asks Docker for its version.
 * @returns its error, or undefined if it answers
 */
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
        // The daemon is busy or starting. A second one on the same data would damage both.
        if (await answersWithin(START_SECONDS)) return;
        throw new Error(
            `Docker's daemon is running (${PID_FILE}), but doesn't answer: restart it.`,
        );
    }
    mkdirSync(LOCAL, { recursive: true, mode: 0o700 });
    const logFile = path.join(LOCAL, "dockerd.log");
    const log = openSync(logFile, "w");
    // A killed daemon leaves its PID file behind; a new one refuses to start if that PID is in use.
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

/** Stops the daemon if this project started it. */
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
