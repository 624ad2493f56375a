/** Which Docker daemon is meant, by Docker's own rules: DOCKER_HOST, DOCKER_CONTEXT, the current context. */
import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { homedir } from "node:os";
import path from "node:path";

type Environment = Readonly<Record<string, string | undefined>>;

export interface DockerHost {
    /** `unix:///…`, `tcp://…`, `ssh://…` */
    host: string;
    /** What named it, for messages; undefined: nothing did, so it is the default. */
    by: string | undefined;
    /** Folder with ca.pem, cert.pem and key.pem, where it speaks TLS. */
    certPath: string | undefined;
}

const DEFAULT_HOST = "unix:///var/run/docker.sock";

/** @throws Error where the context is not there, in Docker's words */
export function dockerHost(env: Environment): DockerHost {
    if (env.DOCKER_HOST) {
        const certPath = env.DOCKER_TLS_VERIFY
            ? (env.DOCKER_CERT_PATH ?? folderOf(env))
            : undefined;
        return { host: env.DOCKER_HOST, by: `DOCKER_HOST is ${env.DOCKER_HOST}`, certPath };
    }
    const folder = folderOf(env);
    const configFile = path.join(folder, "config.json");
    const name = env.DOCKER_CONTEXT || currentContextIn(configFile);
    if (name === undefined || name === "default") {
        return { host: DEFAULT_HOST, by: undefined, certPath: undefined };
    }
    const by = env.DOCKER_CONTEXT ? "DOCKER_CONTEXT" : `currentContext in ${configFile}`;
    // Docker's own names for the folders.
    const id = createHash("sha256").update(name).digest("hex");
    const meta = path.join(folder, "contexts", "meta", id, "meta.json");
    if (!existsSync(meta)) {
        throw new Error(
            `context "${name}": context not found: open ${meta}: no such file or directory (${by}); ` +
                "`docker context ls` lists those that are there, `docker context use default` goes back",
        );
    }
    const { Endpoints } = JSON.parse(readFileSync(meta, "utf8")) as {
        Endpoints?: { docker?: { Host?: string } };
    };
    const certPath = path.join(folder, "contexts", "tls", id, "docker");
    return {
        host: Endpoints?.docker?.Host || DEFAULT_HOST,
        by: `context "${name}" (${by})`,
        certPath: existsSync(certPath) ? certPath : undefined,
    };
}

/** What programs need that know DOCKER_HOST alone; nothing where the default is meant. */
export function dockerEnvironment(env: Environment): Record<string, string> {
    const { host, by, certPath } = dockerHost(env);
    if (by === undefined) return {};
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
        throw new Error(`${file} is no JSON (${(error as Error).message})`, { cause: error });
    }
}
