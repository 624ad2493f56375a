/** A Docker daemon that answers: found, started, or (as root on Debian) installed. */
import { spawn } from "node:child_process";
import { existsSync, mkdirSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { canInstall, install } from "./debian.ts";
import { LOCAL } from "./paths.ts";
import { capture, onPath, say } from "./process.ts";

/** Of the daemon that this project started; it ends with `npm run local:down`. */
const PID_FILE = path.join(LOCAL, "dockerd.json");
const START_SECONDS = 60;

interface Started {
    pid: number;
    /** Clock ticks since boot, so that another process with the same id is not taken for ours. */
    startTime: string;
}

/** @throws Error naming what a person has to do where this can't be done without asking */
export async function ensureDocker(): Promise<void> {
    if (await answers()) return;
    if (process.env.DOCKER_HOST !== undefined) {
        throw new Error(
            `Docker doesn't answer at DOCKER_HOST=${process.env.DOCKER_HOST}: start it there.`,
        );
    }
    const root = process.getuid?.() === 0;
    if ((await onPath("dockerd")) === undefined) {
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
    return (await capture(["docker", "version"], { timeoutMs: 20_000 })).code === 0;
}

async function answersWithin(seconds: number): Promise<boolean> {
    for (let tries = 0; tries < seconds * 4; tries++) {
        if (await answers()) return true;
        await sleep(250);
    }
    return false;
}

async function startDaemon(): Promise<void> {
    mkdirSync(LOCAL, { recursive: true, mode: 0o700 });
    const logFile = path.join(LOCAL, "dockerd.log");
    const log = openSync(logFile, "w");
    // A daemon that was killed leaves its pid file behind, and refuses to start if that pid lives.
    rmSync("/var/run/docker.pid", { force: true });
    const daemon = spawn("dockerd", [], { detached: true, stdio: ["ignore", log, log] });
    daemon.unref();
    const pid = daemon.pid;
    if (pid === undefined) throw new Error("dockerd can't be started.");
    writeFileSync(PID_FILE, JSON.stringify({ pid, startTime: startTimeOf(pid) ?? "" }));
    if (await answersWithin(START_SECONDS)) {
        say("Started Docker's daemon, which was not running; `npm run local:down` stops it.");
        return;
    }
    const end = readFileSync(logFile, "utf8").trimEnd().split("\n").slice(-5).join("\n");
    throw new Error(`dockerd doesn't answer after ${START_SECONDS} s; ${logFile} ends:\n${end}`);
}

/** Stops the daemon if it is the one that this project started. */
export async function stopOwnDocker(): Promise<void> {
    if (!existsSync(PID_FILE)) return;
    const { pid, startTime } = JSON.parse(readFileSync(PID_FILE, "utf8")) as Started;
    if (startTimeOf(pid) === startTime) {
        process.kill(pid, "SIGTERM");
        for (let tries = 0; tries < 200 && startTimeOf(pid) === startTime; tries++)
            await sleep(100);
        if (startTimeOf(pid) === startTime) process.kill(pid, "SIGKILL");
        say("Stopped Docker's daemon.");
    }
    rmSync(PID_FILE);
}

function startTimeOf(pid: number): string | undefined {
    try {
        const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
        // Field 22; the name in field 2 may hold spaces, so count from its closing bracket.
        return stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19];
    } catch {
        return undefined;
    }
}
