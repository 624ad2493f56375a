import { readFileSync } from "node:fs";
import { Readable } from "node:stream";
import Docker from "dockerode";
import { pack } from "tar-stream";
import type { LocalFly } from "../fly/index.ts";
import { busybox } from "./busybox.ts";

const docker = new Docker();

/** Commands that the tests run in a machine. */
const APPLETS =
    "sh sleep cat nc httpd ls env kill echo mkdir id stat touch dd df true false seq rm wc grep " +
    "tail head hostname ps sync yes tr test date";

async function importImage(name: string): Promise<void> {
    const tar = pack();
    const owner = { uid: 0, gid: 0 };
    for (const dir of ["bin", "etc", "tmp", "data"]) {
        tar.entry({ name: dir, type: "directory", mode: dir === "tmp" ? 0o1777 : 0o755, ...owner });
    }
    tar.entry({ name: "bin/busybox", mode: 0o755, ...owner }, readFileSync(busybox()));
    for (const applet of APPLETS.split(" ")) {
        tar.entry({ name: `bin/${applet}`, type: "symlink", linkname: "busybox", ...owner });
    }
    tar.entry({ name: "etc/passwd", mode: 0o644, ...owner }, "root:x:0:0::/:/bin/sh\n");
    tar.finalize();
    const [repo, tag] = splitTag(name);
    const changes = [
        "ENV PATH=/bin",
        "ENV FROM_IMAGE=yes",
        "LABEL test.label=here",
        `CMD ["/bin/sh", "-c", "trap 'exit 0' TERM INT; while true; do sleep 1 & wait; done"]`,
    ];
    const stream = await docker.importImage(Readable.from(tar), { repo, tag, changes });
    await followed(stream);
}

function splitTag(name: string): [string, string] {
    const colon = name.lastIndexOf(":");
    return [name.slice(0, colon), name.slice(colon + 1)];
}

async function followed(stream: NodeJS.ReadableStream): Promise<void> {
    const lines = await new Promise<{ error?: string }[]>((resolve, reject) => {
        docker.modem.followProgress(stream, (error, all: { error?: string }[]) =>
            error ? reject(error) : resolve(all),
        );
    });
    const failed = lines.find((line) => line.error !== undefined);
    if (failed !== undefined) throw new Error(failed.error);
}

/**
 * Pushes a small image with a shell to an app's repository.
 * @returns the reference by digest
 */
export async function pushImage(fly: LocalFly, app: string): Promise<string> {
    const name = `${fly.registry}/${app}:test`;
    await importImage(name);
    const authconfig = { username: "x", password: fly.token, serveraddress: fly.registry };
    await followed(await docker.getImage(name).push({ authconfig }));
    const { RepoDigests } = await docker.getImage(name).inspect();
    const found = RepoDigests.find((one) => one.startsWith(`${fly.registry}/${app}@`));
    if (found === undefined) throw new Error(`no digest of ${name} after the push`);
    return found;
}

export { docker };
