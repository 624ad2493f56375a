import { existsSync } from "node:fs";
import { request } from "node:http";

const DEFAULT_SOCKET = "/var/run/docker.sock";

/**
 * Does a Docker daemon answer where the docker provider will look for one? Daemons behind SSH, TLS or
 * a Docker context are left to the provider.
 */
export async function dockerProblem(
    env: Readonly<Record<string, string | undefined>>,
): Promise<string | undefined> {
    const host = env.DOCKER_HOST ?? `unix://${DEFAULT_SOCKET}`;
    const named = env.DOCKER_HOST === undefined ? "" : ` (DOCKER_HOST is ${host})`;
    let target: { socketPath: string } | { host: string; port: string };
    if (host.startsWith("unix://")) {
        target = { socketPath: host.slice("unix://".length) };
        if (
            env.DOCKER_HOST === undefined &&
            !existsSync(DEFAULT_SOCKET) &&
            env.HOME !== undefined
        ) {
            // Docker Desktop and rootless Docker are found by their context.
            if (existsSync(`${env.HOME}/.docker/contexts`)) return undefined;
        }
    } else if (host.startsWith("tcp://") && env.DOCKER_TLS_VERIFY === undefined) {
        const { hostname, port } = new URL(host);
        target = { host: hostname, port: port || "2375" };
    } else {
        return undefined;
    }
    const failure = await ping(target);
    return failure === undefined
        ? undefined
        : `docker: the daemon doesn't answer at ${host}${named}: ${failure}; start Docker, the image is built with it`;
}

function ping(target: object): Promise<string | undefined> {
    return new Promise((resolve) => {
        const call = request({ ...target, path: "/_ping", timeout: 10_000 }, (response) => {
            response.resume();
            resolve(response.statusCode === 200 ? undefined : `HTTP ${response.statusCode}`);
        });
        call.on("timeout", () => call.destroy(new Error("no answer in 10 s")));
        call.on("error", (error) => resolve(error.message));
        call.end();
    });
}
