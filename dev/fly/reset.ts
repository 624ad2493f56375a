import { existsSync, readdirSync, rmdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { instanceOf } from "./instance.ts";
import { connectDocker, ignoring, LABEL } from "./runtime/docker.ts";
import { detachAll } from "./runtime/loopVolumes.ts";
import { Registry } from "./runtime/registry.ts";
import { PUBLIC_CA_FILES } from "./publicCa.ts";
import { readState } from "./state.ts";

/** Files that a server writes into its directory. Others there are left alone. */
const FILES = [
    "state.json",
    "state.json.next",
    "server.json",
    "server.log",
    "log",
    "registry",
    "registry.yml",
    "registry.pid",
    "registry.sock",
    "volumes",
    "snapshots",
    ...PUBLIC_CA_FILES,
];

/**
 * Removes everything of a stopped instance: containers, volumes, image names, registry, state. Removes
 * the directory too if it has no other files.
 */
export async function reset(dir: string): Promise<void> {
    if (!existsSync(dir)) return;
    const { dir: real, instance } = instanceOf(dir);
    await Registry.endLeftover(real);
    const docker = await connectDocker();
    const filters = { label: [`${LABEL.instance}=${instance}`] };
    for (const one of await docker.listContainers({ all: true, filters })) {
        await ignoring([404, 409], docker.getContainer(one.Id).remove({ force: true, v: true }));
    }
    const { Volumes } = await docker.listVolumes({ filters });
    for (const one of Volumes ?? []) {
        await ignoring([404], docker.getVolume(one.Name).remove({ force: true }));
    }
    await detachAll(real);
    const hosts = readState(join(real, "state.json"))?.registryHosts ?? [];
    for (const image of hosts.length === 0 ? [] : await docker.listImages()) {
        const names = [...(image.RepoTags ?? []), ...(image.RepoDigests ?? [])];
        for (const name of names) {
            if (!hosts.some((host) => name.startsWith(`${host}/`))) continue;
            await ignoring([404, 409], docker.getImage(name).remove({ noprune: false }));
        }
    }
    for (const file of FILES) rmSync(join(real, file), { recursive: true, force: true });
    if (readdirSync(real).length === 0) rmdirSync(real);
}
