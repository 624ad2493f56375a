import type Docker from "dockerode";
import { execFile } from "node:child_process";
import { existsSync, mkdirSync, rmSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { open, stat, statfs } from "node:fs/promises";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import type { VolumeUsage } from "../model/wire.ts";
import { ignoring, LABEL } from "./docker.ts";
import type { VolumeStore } from "./volumes.ts";

const run = promisify(execFile);
const GIB = 1024 ** 3;

/**
 * Volumes as ext4 file systems of their real size, each in a sparse file behind a loop device that
 * Docker mounts. A full volume is full; extending and snapshots are real. Needs root on Linux.
 */
export class LoopVolumes implements VolumeStore {
    readonly kind = "loop";
    readonly #docker: Docker;
    readonly #dir: string;
    readonly #instance: string;

    constructor(docker: Docker, dir: string, instance: string) {
        this.#docker = docker;
        this.#dir = dir;
        this.#instance = instance;
    }

    /** Whether this machine allows loop devices, tried with a small one. */
    static async works(dir: string): Promise<boolean> {
        if (process.platform !== "linux" || process.getuid?.() !== 0) return false;
        if (/^(tcp|ssh|https?):/.test(process.env.DOCKER_HOST ?? "")) return false;
        const probe = join(dir, "volumes", "probe.img");
        try {
            mkdirSync(dirname(probe), { recursive: true, mode: 0o700 });
            writeFileSync(probe, "");
            truncateSync(probe, 1024 * 1024);
            await Promise.all([run("mkfs.ext4", ["-V"]), run("resize2fs", ["-V"]).catch(() => 0)]);
            const { stdout } = await run("losetup", ["--find", "--show", probe]);
            await run("losetup", ["--detach", stdout.trim()]);
            return true;
        } catch {
            return false;
        } finally {
            rmSync(probe, { force: true });
        }
    }

    async create(id: string, sizeGb: number, snapshot?: string): Promise<void> {
        const image = this.#image(id);
        mkdirSync(dirname(image), { recursive: true, mode: 0o700 });
        if (snapshot === undefined) {
            writeFileSync(image, "", { mode: 0o600 });
            truncateSync(image, sizeGb * GIB);
            const quick = "lazy_itable_init=1,lazy_journal_init=1,nodiscard";
            await run("mkfs.ext4", ["-q", "-F", "-E", quick, image]);
            return;
        }
        await run("cp", ["--sparse=always", this.#copy(snapshot), image]);
        truncateSync(image, sizeGb * GIB);
        await grow(image);
    }

    async extend(id: string, sizeGb: number): Promise<boolean> {
        const image = this.#image(id);
        truncateSync(image, sizeGb * GIB);
        const device = await this.#attached(image);
        if (device !== undefined) await run("losetup", ["--set-capacity", device]);
        if ((await this.#mounted(id)) === undefined) {
            await grow(device ?? image);
            return false;
        }
        try {
            await run("resize2fs", [device ?? image]);
            return false;
        } catch {
            // Growing a mounted file system needs CAP_SYS_RESOURCE; without it, the next boot does it.
            return true;
        }
    }

    async ready(id: string): Promise<void> {
        const image = this.#image(id);
        if (!existsSync(image) || (await this.#mounted(id)) !== undefined) return;
        if ((await fileSystemSize(image)) < statSync(image).size) {
            await grow((await this.#attached(image)) ?? image);
        }
    }

    async remove(id: string): Promise<void> {
        await this.#forget(id);
        const image = this.#image(id);
        const device = await this.#attached(image);
        if (device !== undefined) await run("losetup", ["--detach", device]);
        rmSync(image, { force: true });
    }

    async mount(id: string, path: string): Promise<Docker.MountSettings> {
        const image = this.#image(id);
        const device = (await this.#attached(image)) ?? (await attach(image));
        const name = this.#name(id);
        const known = await ignoring([404], this.#docker.getVolume(name).inspect());
        if (known?.Options?.device !== device) {
            // After a reboot of this computer the device has another number.
            if (known !== undefined) await this.#forget(id);
            await this.#docker.createVolume({
                Name: name,
                Driver: "local",
                DriverOpts: { type: "ext4", device },
                Labels: { [LABEL.instance]: this.#instance, [LABEL.volume]: id },
            });
        }
        return {
            Type: "volume",
            Source: name,
            Target: path,
            VolumeOptions: { NoCopy: true } as NonNullable<Docker.MountSettings["VolumeOptions"]>,
        };
    }

    async usage(id: string): Promise<VolumeUsage | undefined> {
        const mountpoint = await this.#mounted(id);
        if (mountpoint === undefined) return undefined;
        const { blocks, bsize, bfree, bavail } = await statfs(mountpoint);
        return { blocks, block_size: bsize, blocks_free: bfree, blocks_avail: bavail };
    }

    async snapshot(id: string, snapshot: string): Promise<number> {
        const copy = this.#copy(snapshot);
        mkdirSync(dirname(copy), { recursive: true, mode: 0o700 });
        const mountpoint = await this.#mounted(id);
        const image = this.#image(id);
        if (mountpoint === undefined) await run("cp", ["--sparse=always", image, copy]);
        else await run("sh", ["-c", FROZEN_COPY, "sh", mountpoint, image, copy]);
        return statSync(copy).blocks * 512;
    }

    // eslint-disable-next-line @typescript-eslint/require-await
    async removeSnapshot(snapshot: string): Promise<void> {
        rmSync(this.#copy(snapshot), { force: true });
    }

    /** Detaches the loop devices; running containers keep theirs. */
    async close(): Promise<void> {
        await detachAll(this.#dir);
    }

    #image(id: string): string {
        return join(this.#dir, "volumes", `${id}.img`);
    }

    #copy(snapshot: string): string {
        return join(this.#dir, "snapshots", `${snapshot}.img`);
    }

    #name(id: string): string {
        return `fly-${this.#instance}-${id}`;
    }

    async #attached(image: string): Promise<string | undefined> {
        if (!existsSync(image)) return undefined;
        const { stdout } = await run("losetup", ["--noheadings", "-O", "NAME", "-j", image]);
        return stdout.trim().split("\n")[0]?.trim() || undefined;
    }

    /** Finds where Docker has the volume mounted now. */
    async #mounted(id: string): Promise<string | undefined> {
        const known = await ignoring([404], this.#docker.getVolume(this.#name(id)).inspect());
        if (known === undefined) return undefined;
        try {
            const inside = await stat(known.Mountpoint);
            const outside = await stat(dirname(known.Mountpoint));
            return inside.dev === outside.dev ? undefined : known.Mountpoint;
        } catch {
            return undefined;
        }
    }

    /** Removes Docker's volume, but not the data, and the exited containers that still use it. */
    async #forget(id: string): Promise<void> {
        const name = this.#name(id);
        const users = await this.#docker.listContainers({
            all: true,
            filters: { volume: [name], status: ["created", "exited", "dead"] },
        });
        for (const one of users) {
            await ignoring([404, 409], this.#docker.getContainer(one.Id).remove({ v: true }));
        }
        await ignoring([404], this.#docker.getVolume(name).remove());
    }
}

/** Copies a frozen file system. The trap thaws it even if the copy or the server fails. */
const FROZEN_COPY = `
trap 'fsfreeze --unfreeze "$1"' EXIT
sync -f "$1" && fsfreeze --freeze "$1" && cp --sparse=always "$2" "$3"
`;

async function attach(image: string): Promise<string> {
    const { stdout } = await run("losetup", ["--find", "--show", image]);
    return stdout.trim();
}

/** Reads an ext4 file system's size in bytes from its superblock. */
async function fileSystemSize(image: string): Promise<number> {
    const file = await open(image);
    try {
        const { buffer } = await file.read(Buffer.alloc(28), 0, 28, 1024);
        return buffer.readUInt32LE(4) * (1024 << buffer.readUInt32LE(24));
    } finally {
        await file.close();
    }
}

/**
 * Grows an unmounted file system to its device's size. Checks it first, which also replays the journal
 * after a crash; mended errors are not failures.
 */
async function grow(target: string): Promise<void> {
    try {
        await run("e2fsck", ["-f", "-p", target]);
    } catch (error) {
        if ((error as { code?: number }).code !== 1) throw error;
    }
    await run("resize2fs", [target]);
}

/** Detaches the loop devices of an instance's volumes. */
export async function detachAll(dir: string): Promise<void> {
    if (!existsSync(join(dir, "volumes"))) return;
    let listed: string;
    try {
        listed = (await run("losetup", ["--list", "--noheadings", "-O", "NAME,BACK-FILE"])).stdout;
    } catch {
        return;
    }
    for (const line of listed.split("\n")) {
        const [device = "", file = ""] = line.trim().split(/\s+/, 2);
        if (!file.startsWith(`${join(dir, "volumes")}/`)) continue;
        await run("losetup", ["--detach", device]).catch(() => undefined);
    }
}
