import type Docker from "dockerode";
import { DockerVolumes } from "./volumes.ts";
import type { VolumeStore } from "./volumes.ts";

/** Opens the store volumes are kept in. */
// eslint-disable-next-line @typescript-eslint/require-await
export async function openVolumes(
    _kind: VolumeStore["kind"] | "auto",
    docker: Docker,
    _dir: string,
    instance: string,
): Promise<VolumeStore> {
    return new DockerVolumes(docker, instance);
}
