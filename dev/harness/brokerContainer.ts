import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { join } from "node:path";
import Docker from "dockerode";
import tar from "tar-stream";
import { GIVEN, MONITOR_PORT, type Series } from "../../broker/conf.ts";
import { packBundle } from "../../providers/fly/secrets/bundle.ts";
import { ensureBaseImage } from "../toolchain/base-image/index.ts";
import { capture } from "../../lib/process.ts";
import { until } from "./until.ts";

const docker = new Docker();

export const BASE_IMAGES: Record<Series, string> = {
    "2.1": "eclipse-mosquitto:2.1.2-alpine",
    "2.0": "eclipse-mosquitto:2.0.22",
};

/** The broker image's build context. */
export const BROKER_CONTEXT = join(import.meta.dirname, "../../broker/image");

/** Tags to remove when the process ends. */
const built = new Set<string>();

/** An image name unique to this process: others on the machine may test other code meanwhile. */
export function testTag(name: string): string {
    const who = createHash("sha256").update(`${import.meta.dirname} ${process.pid}`);
    return `appkata-mqtt-test-broker:${name}-${who.digest("hex").slice(0, 12)}`;
}

/**
 * Builds the broker's image on a base of the given series; returns its tag, which is removed when the
 * process ends.
 *
 * @param context the folder to build from
 * @param tag the image's name
 */
export async function buildBroker(
    series: Series,
    context = BROKER_CONTEXT,
    tag = testTag(series),
): Promise<string> {
    const base = BASE_IMAGES[series];
    await ensureBaseImage(base, () => undefined);
    const build = ["build", "-q", "--build-arg", `BASE_IMAGE=${base}`, "-t", tag, context];
    const ended = await capture(["docker", ...build]);
    if (ended.code !== 0) throw new Error(`docker build: ${ended.stderr}`);
    if (built.size === 0) {
        process.once("exit", () => spawnSync("docker", ["rmi", "--force", ...built]));
    }
    built.add(tag);
    return tag;
}

export interface BrokerOptions {
    image: string;
    /**
     * Files to put into the container before it starts: path → content. They belong to root, mode 0644. The
     * broker's files, in GIVEN, arrive as in a machine: in one bundle.
     */
    files: Record<string, string | Buffer>;
    /** A volume at /mosquitto/data. By default the container has one of its own. */
    volume?: string;
    env?: Record<string, string>;
    command?: string[];
    /** Memory limit in megabytes, as in a machine of that size. */
    memoryMb?: number;
    /** Like `files`, with mode 0755. */
    programs?: Record<string, string>;
    /** More of Docker's settings for it. */
    host?: Docker.HostConfig;
}

/** A container of the broker's image, run as Fly would: create, put files, start. */
export class BrokerContainer {
    readonly container: Docker.Container;

    constructor(container: Docker.Container) {
        this.container = container;
    }

    static async create(options: BrokerOptions): Promise<BrokerContainer> {
        const container = await docker.createContainer({
            Image: options.image,
            Env: Object.entries(options.env ?? {}).map(([name, value]) => `${name}=${value}`),
            ...(options.command && { Cmd: options.command }),
            Labels: { "appkata-mqtt.test": "broker" },
            ExposedPorts: { "1883/tcp": {} },
            HostConfig: {
                ...(options.memoryMb !== undefined && {
                    Memory: options.memoryMb * 2 ** 20,
                    MemorySwap: options.memoryMb * 2 ** 20,
                }),
                ...options.host,
                PortBindings: { "1883/tcp": [{ HostIp: "127.0.0.1", HostPort: "" }] },
                ...(options.volume && {
                    Mounts: [{ Type: "volume", Source: options.volume, Target: "/mosquitto/data" }],
                }),
            },
        });
        const created = new BrokerContainer(container);
        await created.put(options.files);
        if (options.programs) await created.put(options.programs, 0o755);
        return created;
    }

    /** Puts files into it, running or not. By default they belong to root, mode 0644. */
    async put(files: Record<string, string | Buffer>, mode = 0o644): Promise<void> {
        const pack = tar.pack();
        for (const [name, content] of Object.entries(bundled(files))) {
            pack.entry({ name: name.replace(/^\//, ""), mode }, content);
        }
        pack.finalize();
        await this.container.putArchive(pack as unknown as NodeJS.ReadableStream, { path: "/" });
    }

    /** Starts it and waits until the broker logs that it runs, or has ended. */
    async start(): Promise<void> {
        const before = (await this.log()).length;
        await this.container.start();
        const deadline = Date.now() + 30_000;
        while (Date.now() < deadline) {
            if (/version \S+ running$/m.test((await this.log()).slice(before))) return;
            if (!(await this.container.inspect()).State.Running) return;
            await new Promise((resolve) => setTimeout(resolve, 20));
        }
        throw new Error(`the broker neither runs nor ends:\n${await this.log()}`);
    }

    /**
     * Stops it as Docker does: the signal, then SIGKILL after ten seconds.
     *
     * @returns the exit code; 137 is the SIGKILL
     */
    async stop(): Promise<number> {
        await this.container.stop({ t: 10 });
        return this.exitCode();
    }

    async kill(): Promise<void> {
        await this.container.kill({ signal: "SIGKILL" });
        await this.container.wait();
    }

    /** The port on 127.0.0.1. */
    async port(): Promise<number> {
        const { NetworkSettings } = await this.container.inspect();
        const bound = NetworkSettings.Ports["1883/tcp"] as { HostPort: string }[] | undefined;
        return Number(bound?.[0]?.HostPort);
    }

    /** Its address in Docker's network, where all its ports can be reached. */
    async privateAddress(): Promise<string> {
        const { NetworkSettings } = await this.container.inspect();
        return Object.values(NetworkSettings.Networks)[0]!.IPAddress;
    }

    async log(): Promise<string> {
        const raw = await this.container.logs({ stdout: true, stderr: true });
        let text = "";
        // Docker's frames: a byte for the stream, three zero bytes, four for the length.
        for (let at = 0; at + 8 <= raw.length; at += 8 + raw.readUInt32BE(at + 4)) {
            text += raw.subarray(at + 8, at + 8 + raw.readUInt32BE(at + 4)).toString();
        }
        return text;
    }

    /** Waits until the log has such a line, which arrives a moment after its event. */
    async says(line: RegExp, withinMs = 10_000): Promise<void> {
        try {
            await until(`the log says ${String(line)}`, async () => line.test(await this.log()), {
                withinMs,
            });
        } catch (error) {
            throw new Error(`${(error as Error).message}\n${await this.log()}`);
        }
    }

    /** Runs a command in the container, as root. */
    async exec(...command: string[]): Promise<string> {
        const ended = await capture(["docker", "exec", this.container.id, ...command]);
        if (ended.code !== 0) throw new Error(`${command.join(" ")}: ${ended.stderr}`);
        return ended.stdout;
    }

    async exitCode(): Promise<number> {
        const { State } = await this.container.inspect();
        return State.ExitCode;
    }

    /** Removes it with its unnamed volumes. */
    async remove(): Promise<void> {
        await this.container.remove({ force: true, v: true });
    }
}

let newest = 0;

/** A bundle of the broker's files, newer than all before it. */
export function newBundle(files: Record<string, string>, app = "appkata-test"): Buffer {
    newest = Math.max(newest + 1, Date.now());
    return packBundle({ number: newest, app, files });
}

/** Replaces the broker's files in GIVEN by one bundle, which does not include the configuration. */
function bundled(files: Record<string, string | Buffer>): Record<string, string | Buffer> {
    const isGiven = (name: string) =>
        name.startsWith(`${GIVEN}/`) && !/\/(mosquitto-[\d.]+\.conf|files\.\d+)$/.test(name);
    const [given, others] = [true, false].map((are) =>
        Object.entries(files).filter(([name]) => isGiven(name) === are),
    );
    if (given!.length === 0) return files;
    const bundle = newBundle(
        Object.fromEntries(
            given!.map(([name, text]) => [name.slice(GIVEN.length + 1), text.toString()]),
        ),
    );
    return { ...Object.fromEntries(others!), [`${GIVEN}/files.01`]: bundle };
}

export async function makeVolume(): Promise<string> {
    const made = await docker.createVolume({ Labels: { "appkata-mqtt.test": "broker" } });
    return made.name;
}

export async function removeVolume(name: string): Promise<void> {
    await docker.getVolume(name).remove();
}

/** The monitor's answer to a GET of a path. */
export async function getFrom(broker: BrokerContainer, path: string) {
    const url = `http://${await broker.privateAddress()}:${MONITOR_PORT}${path}`;
    const answer = await fetch(url, { signal: AbortSignal.timeout(20_000) });
    const type = answer.headers.get("content-type");
    return { status: answer.status, type, text: await answer.text() };
}
