/** Finds the Docker daemon by Docker's own rules: DOCKER_HOST, DOCKER_CONTEXT, the current context. */
import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { homedir } from "node:os";
import path from "node:path";

type Environment = Readonly<Record<string, string | undefined>>;

export interface DockerHost {
    /** `unix:///…`, `tcp://…`, `ssh://…` */
    host: string;
    /** Variable or context that named it, for messages; undefined for the default. */
    source: string | undefined;
    /** Folder with ca.pem, cert.pem and key.pem, where the daemon speaks TLS. */
    certPath: string | undefined;
}

const DEFAULT_HOST = "unix:///var/run/docker.sock";

/** @throws Error in Docker's words where the context does not exist */
export function dockerHost(env: Environment): DockerHost {
    if (env.DOCKER_HOST) {
        const certPath = env.DOCKER_TLS_VERIFY
            ? (env.DOCKER_CERT_PATH ?? folderOf(env))
            : undefined;
        return { host: env.DOCKER_HOST, source: `DOCKER_HOST is ${env.DOCKER_HOST}`, certPath };
    }
    const folder = folderOf(env);
    const configFile = path.join(folder, "config.json");
    const name = env.DOCKER_CONTEXT || currentContextIn(configFile);
    if (name === undefined || name === "default") {
        return { host: DEFAULT_HOST, source: undefined, certPath: undefined };
    }
    const by = env.DOCKER_CONTEXT ? "DOCKER_CONTEXT" : `currentContext in ${configFile}`;
    // Docker names a context's folders by the hash of its name.
    const id = createHash("sha256").update(name).digest("hex");
    const meta = path.join(folder, "contexts", "meta", id, "meta.json");
    if (!existsSync(meta)) {
        throw new Error(
            `context "${name}": context not found: open ${meta}: no such file or directory (${by}); ` +
                "`docker context ls` lists the existing ones, `docker context use default` returns to the default",
        );
    }
    const { Endpoints } = JSON.parse(readFileSync(meta, "utf8")) as {
        Endpoints?: { docker?: { Host?: string } };
    };
    const certPath = path.join(folder, "contexts", "tls", id, "docker");
    return {
        host: Endpoints?.docker?.Host || DEFAULT_HOST,
        source: `context "${name}" (${by})`,
        certPath: existsSync(certPath) ? certPath : undefined,
    };
}

/** Environment for programs that know only DOCKER_HOST; empty for the default daemon. */
export function dockerEnvironment(env: Environment): Record<string, string> {
    const { host, source, certPath } = dockerHost(env);
    if (source === undefined) return {};
    return {
        DOCKER_HOST: host,
        ...(certPath !== undefined && { DOCKER_CERT_PATH: certPath, DOCKER_TLS_VERIFY: "1" }),
    };
}

function folderOf(env: Environment): string {
    return env.DOCKER_CONFIG || path.join(env.HOME ?? homedir(), ".docker");
}

function currentContextIn(file: string): string | undefined {
    if (!existsSync(file)) return undefined;
    try {
        const { currentContext } = JSON.parse(readFileSync(file, "utf8")) as {
            currentContext?: string;
        };
        return currentContext || undefined;
    } catch (error) {
        throw new Error(`${file} is not JSON (${(error as Error).message})`, { cause: error });
    }
}
