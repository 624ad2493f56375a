import { existsSync } from "node:fs";
import { request } from "node:http";
import { dockerHost } from "./dockerHost.ts";

/** Exists where the kernel can run amd64 programs on another processor. */
const EMULATION = "/proc/sys/fs/binfmt_misc/qemu-x86_64";

/**
 * Checks that the Docker daemon that the docker provider will use answers, and that it can build for
 * Fly (amd64). Daemons behind SSH or TLS are left to the provider.
 *
 * @param emulation file that exists where this machine emulates amd64
 * @returns the problem and how to fix it; undefined where there is none
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
    const { host, source, certPath } = found;
    const target = targetOf(host);
    if (target === undefined || certPath !== undefined) return undefined;
    if (
        source === undefined &&
        !existsSync(host.slice("unix://".length)) &&
        desktopSockets(env).some(existsSync)
    )
        return undefined;
    const named = source === undefined ? "" : ` (${source})`;
    try {
        const { Arch, Platform } = await versionOf(target);
        // Docker Desktop brings its own emulation.
        const here = process.platform === "linux" && "socketPath" in target;
        if ((Arch ?? "amd64") === "amd64" || !here) return undefined;
        if (Platform?.Name?.startsWith("Docker Desktop") || existsSync(emulation)) return undefined;
        return (
            `docker: the daemon at ${host}${named} runs on ${Arch}, but Fly needs an amd64 image, and this ` +
            "machine does not emulate amd64; `docker run --privileged --rm tonistiigi/binfmt --install amd64` adds that"
        );
    } catch (error) {
        return (
            `docker: the daemon doesn't answer at ${host}${named}: ${(error as Error).message}; ` +
            "start Docker, which builds the broker's image"
        );
    }
}

/** Docker Desktop's sockets, where the docker provider looks too. */
function desktopSockets({ HOME }: Readonly<Record<string, string | undefined>>): string[] {
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
                    reject(new Error("the answer is not JSON, so this is not Docker"));
                }
            });
        });
        call.on("timeout", () => call.destroy(new Error("no answer in 10 s")));
        call.on("error", reject);
        call.end();
    });
}
