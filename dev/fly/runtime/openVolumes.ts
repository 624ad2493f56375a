import type Docker from "dockerode";
import { LoopVolumes } from "./loopVolumes.ts";
import { DockerVolumes } from "./volumes.ts";
import type { VolumeStore } from "./volumes.ts";

/**
 * Opens the store that volumes are kept in.
 * @param kind `auto`: loop devices where this machine lets us have them, else Docker's own volumes
 * @throws when loop devices are asked for and cannot be had
 */
export async function openVolumes(
    kind: VolumeStore["kind"] | "auto",
    docker: Docker,
    dir: string,
    instance: string,
): Promise<VolumeStore> {
    if (kind === "docker") return new DockerVolumes(docker, instance);
    if (await LoopVolumes.works(dir)) return new LoopVolumes(docker, dir, instance);
    if (kind === "loop") throw new Error("loop devices cannot be had here (root on Linux can)");
    return new DockerVolumes(docker, instance);
}
