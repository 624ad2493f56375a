import type Docker from "dockerode";
import { cpus } from "node:os";
import { DEFAULT_GUEST } from "../model/config.ts";
import type { Init, MachineConfig, Process } from "../model/config.ts";
import type { MachineRecord } from "../model/records.ts";
import { dockerStatus, ignoring, LABEL } from "./docker.ts";
import { environment } from "./environment.ts";
import { putFiles, resolveFiles } from "./files.ts";
import type { Logs } from "./logs.ts";
import type { VolumeStore } from "./volumes.ts";

const MIB = 1024 * 1024;

export interface Exit {
    exitCode: number;
    oomKilled: boolean;
    finishedAt: string;
}

export interface ContainerView {
    id: string;
    running: boolean;
    exit: Exit;
    address: string | undefined;
}

function isSet(value: string[] | null | undefined): value is string[] {
    return value !== undefined && value !== null && value.length > 0;
}

/**
 * Builds the container's command. `exec` replaces the image's and the overrides; `entrypoint` and `cmd`
 * replace the image's own.
 */
function command(init: Init | Process | undefined): { Entrypoint?: string[]; Cmd?: string[] } {
    if (isSet(init?.exec)) {
        return { Entrypoint: init.exec.slice(0, 1), Cmd: init.exec.slice(1) };
    }
    return {
        ...(isSet(init?.entrypoint) ? { Entrypoint: init.entrypoint } : {}),
        ...(isSet(init?.cmd) ? { Cmd: init.cmd } : {}),
    };
}

function limits(config: MachineConfig): Docker.HostConfig {
    const memory = (config.guest?.memory_mb ?? DEFAULT_GUEST.memory_mb) * MIB;
    const swap = (config.init?.swap_size_mb ?? 0) * MIB;
    // Docker refuses more CPUs than this machine has.
    const cpuCount = Math.min(config.guest?.cpus ?? DEFAULT_GUEST.cpus, cpus().length);
    return { Memory: memory, MemorySwap: memory + swap, NanoCpus: cpuCount * 1e9 };
}

/** Manages the containers of machines: each boot gets a new one from the image. */
export class Containers {
    readonly docker: Docker;
    readonly #instance: string;
    readonly #volumes: VolumeStore;
    readonly #logs: Logs;

    constructor(docker: Docker, instance: string, volumes: VolumeStore, logs: Logs) {
        this.docker = docker;
        this.#instance = instance;
        this.#volumes = volumes;
        this.#logs = logs;
    }

    /** Name of the container that is the machine's current one. */
    static nameOf(machine: MachineRecord): string {
        return `fly-${machine.app}-${machine.id}`;
    }

    /**
     * Creates the container for a machine's next boot, with its files, but does not start it. It has a
     * temporary name until `adopt`, so that it can be created while the machine still runs.
     */
    async prepare(
        machine: MachineRecord,
        image: string,
        secrets: Record<string, string>,
    ): Promise<string> {
        const { config } = machine;
        const files = resolveFiles(config.files ?? [], secrets);
        const process = config.processes?.[0];
        const mounts = await Promise.all(
            (config.mounts ?? []).map((mount) =>
                this.#volumes.mount(String(mount.volume), mount.path),
            ),
        );
        const name = `${Containers.nameOf(machine)}-next`;
        await ignoring([404, 409], this.docker.getContainer(name).remove({ force: true, v: true }));
        const container = await this.docker.createContainer({
            name,
            Image: image,
            Hostname: machine.id,
            Tty: config.init?.tty ?? false,
            Env: Object.entries(environment(machine, machine.skipSecrets ? {} : secrets)).map(
                ([key, value]) => `${key}=${value}`,
            ),
            ...command(process ?? config.init),
            ...(process?.user === undefined ? {} : { User: process.user }),
            Labels: {
                [LABEL.instance]: this.#instance,
                [LABEL.app]: machine.app,
                [LABEL.machine]: machine.id,
            },
            HostConfig: {
                ...limits(config),
                // Fly's own init is process 1 and runs the image's command as its child.
                Init: true,
                Mounts: mounts,
                RestartPolicy: { Name: "no" },
                LogConfig: { Type: "json-file", Config: { "max-size": "5m", "max-file": "2" } },
            },
        });
        try {
            await putFiles(container, files);
        } catch (error) {
            await ignoring([404, 409], container.remove({ force: true, v: true }));
            throw error;
        }
        return container.id;
    }

    /** Gives a prepared container the machine's name and removes the container that had it. */
    async adopt(machine: MachineRecord, id: string): Promise<void> {
        const name = Containers.nameOf(machine);
        const holder = await ignoring([404], this.docker.getContainer(name).inspect());
        if (holder?.Id === id) return;
        if (holder !== undefined) {
            await this.#logs.keep(machine.id, holder.Id);
            await this.remove(holder.Id);
        }
        await this.docker.getContainer(id).rename({ name });
    }

    async start(machine: MachineRecord, id: string): Promise<void> {
        for (const mount of machine.config.mounts ?? []) {
            await this.#volumes.ready(String(mount.volume));
        }
        await ignoring([304], this.docker.getContainer(id).start());
    }

    /**
     * Sends `signal`, waits up to `timeoutMs`, then kills.
     * @returns how the container exited
     */
    async halt(id: string, signal: string, timeoutMs: number): Promise<Exit> {
        const container = this.docker.getContainer(id);
        const exited = ignoring([404], container.wait() as Promise<unknown>);
        await ignoring([404, 409], container.kill({ signal }));
        let timer: NodeJS.Timeout | undefined;
        const late = new Promise<"late">((resolve) => {
            timer = setTimeout(() => resolve("late"), timeoutMs);
        });
        if ((await Promise.race([exited, late])) === "late") {
            await ignoring([404, 409], container.kill({ signal: "SIGKILL" }));
            await exited;
        }
        clearTimeout(timer);
        const view = await this.view(id);
        return view?.exit ?? { exitCode: 137, oomKilled: false, finishedAt: now() };
    }

    async signal(id: string, signal: string): Promise<void> {
        await this.docker.getContainer(id).kill({ signal });
    }

    async remove(id: string): Promise<void> {
        await ignoring([404, 409], this.docker.getContainer(id).remove({ force: true, v: true }));
    }

    /**
     * Inspects a container.
     * @returns undefined when there is no such container
     */
    async view(id: string): Promise<ContainerView | undefined> {
        let info: Docker.ContainerInspectInfo;
        try {
            info = await this.docker.getContainer(id).inspect();
        } catch (error) {
            if (dockerStatus(error) === 404) return undefined;
            throw error;
        }
        return {
            id: info.Id,
            running: info.State.Running,
            exit: {
                exitCode: info.State.ExitCode,
                oomKilled: info.State.OOMKilled,
                finishedAt: info.State.FinishedAt,
            },
            address: info.NetworkSettings.Networks.bridge?.IPAddress,
        };
    }

    /** Lists this instance's containers, each with the machine it was made for. */
    async list(): Promise<{ id: string; machine: string }[]> {
        const found = await this.docker.listContainers({
            all: true,
            filters: { label: [`${LABEL.instance}=${this.#instance}`] },
        });
        return found.map((one) => ({ id: one.Id, machine: one.Labels[LABEL.machine] ?? "" }));
    }
}

function now(): string {
    return new Date().toISOString();
}
