import Docker from "dockerode";

/** Labels on everything that an instance creates in Docker; `instance` comes from its directory. */
export const LABEL = {
    instance: "local-fly.instance",
    app: "local-fly.app",
    machine: "local-fly.machine",
    volume: "local-fly.volume",
} as const;

/**
 * Connects to Docker as the docker command does (DOCKER_HOST, else /var/run/docker.sock).
 * @throws Error that says where Docker was looked for, if it does not answer
 */
export async function connectDocker(): Promise<Docker> {
    const docker = new Docker();
    try {
        await docker.ping();
    } catch (error) {
        const where = process.env.DOCKER_HOST ?? "/var/run/docker.sock";
        const reason = error instanceof Error ? error.message : String(error);
        throw new Error(
            `Docker does not answer at ${where} (${reason}). Start Docker, or set DOCKER_HOST.`,
            { cause: error },
        );
    }
    return docker;
}

/** Reads the HTTP status of a failed Docker request; undefined for other errors. */
export function dockerStatus(error: unknown): number | undefined {
    if (typeof error !== "object" || error === null) return undefined;
    const status = (error as { statusCode?: unknown }).statusCode;
    return typeof status === "number" ? status : undefined;
}

/** Runs `action` and ignores errors with these statuses, such as that the container is already gone. */
export async function ignoring<T>(statuses: number[], action: Promise<T>): Promise<T | undefined> {
    try {
        return await action;
    } catch (error) {
        if (statuses.includes(dockerStatus(error) ?? 0)) return undefined;
        throw error;
    }
}
