import type Docker from "dockerode";
import { LoopVolumes } from "./loopVolumes.ts";
import { DockerVolumes } from "./volumes.ts";
import type { VolumeStore } from "./volumes.ts";

/**
 * Opens the volume store.
 * @param kind `auto` means loop devices if this machine allows them, else Docker's own volumes
 * @throws Error when loop devices are requested, but unavailable
 */
export async function openVolumes(
    kind: VolumeStore["kind"] | "auto",
    docker: Docker,
    dir: string,
    instance: string,
): Promise<VolumeStore> {
    if (kind === "docker") return new DockerVolumes(docker, instance);
    if (await LoopVolumes.works(dir)) return new LoopVolumes(docker, dir, instance);
    if (kind === "loop")
        throw new Error("loop devices are unavailable here: they need root on Linux");
    return new DockerVolumes(docker, instance);
}
