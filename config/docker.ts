import { existsSync } from "node:fs";
import { request } from "node:http";
import { dockerHost } from "./dockerHost.ts";

/** Exists where the kernel can run programs for amd64 on another processor. */
const EMULATION = "/proc/sys/fs/binfmt_misc/qemu-x86_64";

/**
 * Does a Docker daemon answer where the docker provider will look for one, and can it build for Fly?
 * Daemons behind SSH or TLS are left to the provider.
 *
 * @param emulation file that is there where a daemon on this machine emulates amd64
 */
export async function dockerProblem(
    env: Readonly<Record<string, string | undefined>>,
    emulation = EMULATION,
): Promise<string | undefined> {
    let found;
    try {
        found = dockerHost(env);
    } catch (error) {
        return `docker: ${(error as Error).message}`;
    }
    const { host, by, certPath } = found;
    const target = targetOf(host);
    if (target === undefined || certPath !== undefined) return undefined;
    if (
        by === undefined &&
        !existsSync(host.slice("unix://".length)) &&
        desktops(env).some(existsSync)
    )
        return undefined;
    const named = by === undefined ? "" : ` (${by})`;
    try {
        const { Arch, Platform } = await versionOf(target);
        // Docker Desktop brings its own emulation.
        const here = process.platform === "linux" && "socketPath" in target;
        if ((Arch ?? "amd64") === "amd64" || !here) return undefined;
        if (Platform?.Name?.startsWith("Docker Desktop") || existsSync(emulation)) return undefined;
        return (
            `docker: the daemon at ${host}${named} is for ${Arch}, the image for Fly is for amd64, and this ` +
            "machine does not emulate it; `docker run --privileged --rm tonistiigi/binfmt --install amd64` makes it"
        );
    } catch (error) {
        return (
            `docker: the daemon doesn't answer at ${host}${named}: ${(error as Error).message}; ` +
            "start Docker, the image is built with it"
        );
    }
}

/** Sockets where the docker provider looks besides, as Docker Desktop has them. */
function desktops({ HOME }: Readonly<Record<string, string | undefined>>): string[] {
    return ["run", "desktop"].map((folder) => `${HOME}/.docker/${folder}/docker.sock`);
}

type Target = { socketPath: string } | { host: string; port: string };

function targetOf(host: string): Target | undefined {
    if (host.startsWith("unix://")) return { socketPath: host.slice("unix://".length) };
    if (!host.startsWith("tcp://")) return undefined;
    const { hostname, port } = new URL(host);
    return { host: hostname, port: port || "2375" };
}

interface Version {
    Arch?: string;
    Platform?: { Name?: string };
}

function versionOf(target: Target): Promise<Version> {
    return new Promise((resolve, reject) => {
        const call = request({ ...target, path: "/version", timeout: 10_000 }, (response) => {
            let text = "";
            response.setEncoding("utf8").on("data", (part: string) => (text += part));
            response.on("error", reject).on("end", () => {
                if (response.statusCode !== 200) {
                    reject(new Error(`HTTP ${response.statusCode}`));
                    return;
                }
                try {
                    resolve(JSON.parse(text) as Version);
                } catch {
                    reject(new Error("no JSON, so no Docker"));
                }
            });
        });
        call.on("timeout", () => call.destroy(new Error("no answer in 10 s")));
        call.on("error", reject);
        call.end();
    });
}
