/**
 * Measures how long clients of the deployed `dev` stack are without the broker while `up` changes it
 * and after a crash: `npm run bench -- downtime`. The baseline is `docker stop` and `docker start` of
 * the same container.
 */
import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import Docker from "dockerode";
import { BrokerContainer } from "../harness/brokerContainer.ts";
import { connect } from "../harness/mqtt.ts";
import type { BrokerOutputs } from "../../config/outputs.ts";
import { Project, usersNamed, type Run } from "../harness/project.ts";
import { capture } from "../../lib/process.ts";
import { forward } from "./support/forwarder.ts";
import { underLoad, type Seen } from "./support/load.ts";
import { figuresOf } from "./support/measure.ts";
import { printTable } from "./support/table.ts";

const RUNS = Number(process.env.RUNS ?? 5);
const BOUND = 1.5;
const FLOOR = "docker stop, docker start";

/** A container's `die` or `start` event in Docker, with its time in milliseconds since 1970. */
interface Moment {
    action: string;
    at: number;
}

interface Measured extends Seen {
    /**
     * Seconds until the old broker has exited, until the new one starts, and until it acknowledges. NaN
     * if the broker did not restart.
     */
    parts: [number, number, number];
}

const docker = new Docker();
const project = await Project.make();
const measured: Record<string, Measured[]> = {};
/** Seconds from the broker's SIGKILL to the next CONNACK. */
const readmissions: number[] = [];
try {
    succeeded(await project.npm("local"));
    for (let run = 0; run < RUNS; run++) {
        await floor();
        await underEdge("restart, Machines API", () => machine("restart"));
        await underEdge("broker killed", crash);
        await underUp("up: other image", () =>
            project.edit("broker/image/Dockerfile", (text) => `${text}LABEL bench.run=${run}\n`),
        );
        await underUp("up: machine size", () =>
            project.configure({ memoryMb: run % 2 === 0 ? 512 : 256 }),
        );
        await underUp("up: user added", () =>
            project.configure({ users: usersNamed("tester", ...names(run + 1)) }),
        );
        await underUp("up: certificate renewed", () =>
            project.configure({ certificateValidDays: 364 - run }),
        );
    }
    report();
} finally {
    await project.remove();
}

function names(count: number): string[] {
    return Array.from({ length: count }, (_, index) => `bench-${index}`);
}

function succeeded(run: Run): void {
    if (run.code !== 0) throw new Error(run.output);
}

async function underUp(name: string, change: () => void): Promise<void> {
    change();
    await underEdge(name, async () => succeeded(await project.up()));
}

async function underEdge(name: string, what: () => Promise<void>): Promise<void> {
    const outputs = await project.outputs();
    await measure(name, outputs, `label=local-fly.app=${outputs.appName}`, what);
}

async function measure(
    name: string,
    outputs: BrokerOutputs,
    containers: string,
    what: () => Promise<void>,
): Promise<void> {
    const seen = await underLoad(outputs, what);
    const moments = await momentsOf(containers, seen);
    const died = moments.find(({ action }) => action === "die")?.at ?? NaN;
    const started = moments.find(({ action }) => action === "start")?.at ?? NaN;
    const parts = [died - seen.from, started - died, seen.to - started].map((ms) => ms / 1000);
    (measured[name] ??= []).push({ ...seen, parts: parts as Measured["parts"] });
}

async function momentsOf(containers: string, { from, to }: Seen): Promise<Moment[]> {
    const time = ["--since", String(from / 1000), "--until", String(to / 1000)];
    const which = [containers, "event=die", "event=start"].flatMap((one) => ["--filter", one]);
    const { stdout } = await capture(["docker", "events", ...time, ...which, "--format", "json"]);
    return stdout
        .split("\n")
        .filter((line) => line !== "")
        .map((line) => JSON.parse(line) as { Action: string; timeNano: number })
        .map(({ Action, timeNano }) => ({ action: Action, at: timeNano / 1e6 }));
}

async function machine(action: "stop" | "start" | "restart"): Promise<void> {
    const { appName, machineId } = await project.outputs();
    const path = `/apps/${appName}/machines/${machineId}`;
    const ask = async <T>(method: string, route: string) => {
        const answer = await project.fly(method, route);
        if (!answer.ok) throw new Error(`${method} ${route}: ${await answer.text()}`);
        return (await answer.json()) as T;
    };
    const { instance_id: version } = await ask<{ instance_id: string }>("GET", path);
    await ask("POST", `${path}/${action}`);
    const state = action === "stop" ? "stopped" : "started";
    await ask("GET", `${path}/wait?state=${state}&version=${version}&timeout=60`);
}

/** Kills the broker. Times come from the kernel's uptime, which the machine and this process share. */
async function crash(): Promise<void> {
    const outputs = await project.outputs();
    const path = `/apps/${outputs.appName}/machines/${outputs.machineId}/exec`;
    const command = ["sh", "-c", "cat /proc/uptime && kill -9 $(cat /run/broker.pid)"];
    const answer = await project.fly("POST", path, { command, timeout: 10 });
    const { stdout } = (await answer.json()) as { stdout: string };
    for (;;) {
        try {
            const client = await connect(outputs, { reconnectPeriod: 0 });
            readmissions.push(
                parseFloat(readFileSync("/proc/uptime", "utf8")) - parseFloat(stdout),
            );
            await client.endAsync();
            return;
        } catch {
            await sleep(20);
        }
    }
}

/**
 * Measures the baseline without the local Fly: the machine is stopped, and a second container with its
 * image, limits, files and volume is reached through a forwarder instead of the edge.
 */
async function floor(): Promise<void> {
    const outputs = await project.outputs();
    await machine("stop");
    const original = docker.getContainer(`fly-${outputs.appName}-${outputs.machineId}`);
    const { Config, HostConfig } = await original.inspect();
    const container = await docker.createContainer({
        Image: Config.Image,
        Env: Config.Env,
        HostConfig,
    });
    const twin = new BrokerContainer(container);
    const front = await forward(1883);
    try {
        const files = await original.getArchive({ path: "/etc/mosquitto" });
        await container.putArchive(files, { path: "/etc" });
        await twin.start();
        front.to = await twin.privateAddress();
        const direct = { ...outputs, address: "127.0.0.1", port: front.port };
        await measure(FLOOR, direct, `container=${container.id}`, async () => {
            front.to = undefined;
            await twin.stop();
            await container.start();
            front.to = await twin.privateAddress();
        });
    } finally {
        front.close();
        await twin.remove();
    }
    await machine("start");
}

function report(): void {
    const base = figuresOf(measured[FLOOR]!.map(({ gap }) => gap)).median;
    const columns = ["without service, s", "ratio", "ending", "between", "starting"];
    const counts = ["deliveries, s", "next gap", "dropped", "lost", "twice", "reordered"];
    const rows = Object.entries(measured).map(([name, all]) => {
        const { median, min, max } = figuresOf(all.map(({ gap }) => gap));
        const middle = (value: (one: Measured) => number) => {
            const figure = figuresOf(all.map(value)).median;
            return Number.isNaN(figure) ? "-" : figure.toFixed(2);
        };
        const sum = (value: (one: Measured) => number) =>
            String(all.reduce((total, one) => total + value(one), 0));
        return [
            name,
            `${median.toFixed(2)} (${min.toFixed(2)} to ${max.toFixed(2)})`,
            (median / base).toFixed(2),
            ...[0, 1, 2].map((part) => middle(({ parts }) => parts[part]!)),
            middle(({ deliveryGap }) => deliveryGap),
            figuresOf(all.map(({ nextGap }) => nextGap)).max.toFixed(2),
            sum(({ dropped }) => dropped),
            sum(({ lost }) => lost),
            sum(({ duplicated }) => duplicated),
            `${sum(({ reordered }) => reordered)} of ${sum(({ published }) => published)}`,
        ];
    });
    printTable([["", ...columns, ...counts], ...rows]);
    const { median, min, max } = figuresOf(readmissions);
    console.log(
        `SIGKILL to the next CONNACK: ${median.toFixed(2)} s (${min.toFixed(2)} to ${max.toFixed(2)}); at most 2`,
    );
    console.log(
        `${RUNS} rounds, medians; ratio at most ${BOUND.toFixed(2)}, lost 0; dropped 0 by users and certificate`,
    );
}
