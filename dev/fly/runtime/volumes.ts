import type Docker from "dockerode";
import type { VolumeUsage } from "../model/wire.ts";
import { ignoring, LABEL } from "./docker.ts";

/** Stores volumes' data. Sizes are in GiB. */
export interface VolumeStore {
    /** Kind of store as `status` shows it; with `loop`, sizes are enforced. */
    readonly kind: "docker" | "loop";
    create(id: string, sizeGb: number, snapshot?: string): Promise<void>;
    /**
     * Extends a volume.
     * @returns whether the machine must restart to see the new size
     */
    extend(id: string, sizeGb: number): Promise<boolean>;
    /** Called right before a machine starts with the volume, while nothing else has it mounted. */
    ready(id: string): Promise<void>;
    remove(id: string): Promise<void>;
    /** How a container mounts the volume at `path`. */
    mount(id: string, path: string): Promise<Docker.MountSettings>;
    usage(id: string): Promise<VolumeUsage | undefined>;
    /**
     * Copies the volume's current content.
     * @returns the copy's size in bytes
     */
    snapshot(id: string, snapshot: string): Promise<number>;
    removeSnapshot(snapshot: string): Promise<void>;
    /** Releases what the store holds of the computer; the data stays. */
    close(): Promise<void>;
}

/**
 * Volumes as Docker's own named volumes. They work everywhere, but can grow past their size, and
 * snapshots are empty.
 */
export class DockerVolumes implements VolumeStore {
    readonly kind = "docker";
    readonly #docker: Docker;
    readonly #instance: string;

    constructor(docker: Docker, instance: string) {
        this.#docker = docker;
        this.#instance = instance;
    }

    #name(id: string): string {
        return `fly-${this.#instance}-${id}`;
    }

    async create(id: string, _sizeGb: number, snapshot?: string): Promise<void> {
        if (snapshot !== undefined) {
            throw new Error(
                "restoring a snapshot needs volumes on loop devices, which need root on Linux",
            );
        }
        await this.#docker.createVolume({
            Name: this.#name(id),
            Labels: { [LABEL.instance]: this.#instance, [LABEL.volume]: id },
        });
    }

    // eslint-disable-next-line @typescript-eslint/require-await
    async extend(): Promise<boolean> {
        return false;
    }

    async ready(): Promise<void> {}

    async remove(id: string): Promise<void> {
        await ignoring([404], this.#docker.getVolume(this.#name(id)).remove({ force: true }));
    }

    // eslint-disable-next-line @typescript-eslint/require-await
    async mount(id: string, path: string): Promise<Docker.MountSettings> {
        return {
            Type: "volume",
            Source: this.#name(id),
            Target: path,
            // A new volume on Fly is an empty file system: nothing is copied in from the image.
            VolumeOptions: { NoCopy: true } as NonNullable<Docker.MountSettings["VolumeOptions"]>,
        };
    }

    // eslint-disable-next-line @typescript-eslint/require-await
    async usage(): Promise<VolumeUsage | undefined> {
        return undefined;
    }

    // eslint-disable-next-line @typescript-eslint/require-await
    async snapshot(): Promise<number> {
        return 0;
    }

    async removeSnapshot(): Promise<void> {}

    async close(): Promise<void> {}
}
