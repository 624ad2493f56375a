/** This machine's Fly, through its own command, as anybody would use it. */
import path from "node:path";
import { dockerEnvironment } from "../config/dockerHost.ts";
import { DEV } from "../dev/toolchain/devStack.ts";
import { BIN, ROOT } from "../lib/paths.ts";
import { capture, say } from "../lib/process.ts";
import { stackSettings } from "../lib/stackFile.ts";

export interface LocalFly {
    running: boolean;
    endpoint: string;
    registry: string;
    token: string;
    /** The authority that stands for the public ones, in PEM. */
    publicCaFile: string;
    apps: { name: string; machines: { state: string }[] }[];
    /** Addresses that its edge cannot open, each with why. */
    refused: { ip: string; port: number; reason: string }[];
}

const MAIN = path.join(ROOT, "dev", "fly", "main.ts");
async function fly(command: string, ...options: string[]): Promise<string> {
    const args = [MAIN, command, ...options];
    const env = {
        ...process.env,
        ...dockerEnvironment(process.env),
        PATH: [BIN, process.env.PATH].join(path.delimiter),
    };
    const { code, stdout, stderr } = await capture([process.execPath, ...args], { env, cwd: ROOT });
    if (code !== 0) throw new Error(stderr.trimEnd() || `local Fly: ${command} failed`);
    if (stderr.trim() !== "") say(stderr.trimEnd());
    return stdout;
}

/** Where clients do not get through to an app, who is in the way, and what to do; undefined where all do. */
export function refusedPorts({ refused }: LocalFly): string | undefined {
    const lines = refused.map(
        ({ ip, port, reason }) =>
            `Clients do not get to port ${port} of ${ip}: ${reason}. End that program, or choose other ports ` +
            `in Pulumi.${DEV}.yaml (appkata-mqtt:port; webSocketsPort, clientCertificatePort).`,
    );
    return lines.length > 0 ? lines.join("\n") : undefined;
}

const LOOK_EVERY_MS = 1000;

/**
 * Looks, while something is deployed, whether clients will get through to it.
 * @param tell called once they do not, with what `refusedPorts` says
 * @returns what ends it
 */
export function watchPorts(
    { endpoint, token }: LocalFly,
    tell: (text: string) => void,
): () => void {
    let before: string | undefined;
    const timer = setInterval(() => {
        fetch(`${endpoint}/_local/state`, { headers: { authorization: `Bearer ${token}` } })
            .then(async (answer) => refusedPorts((await answer.json()) as LocalFly))
            .then((refused) => {
                // Seen twice: a port may be on its way to being free.
                if (refused !== undefined && refused === before) {
                    clearInterval(timer);
                    tell(refused);
                }
                before = refused;
            })
            // The deployment itself tells of a Fly that does not answer.
            .catch(() => undefined);
    }, LOOK_EVERY_MS);
    return () => clearInterval(timer);
}

/** Starts it, if it does not run yet, where the dev stack's file will look for it. */
export async function startFly(dir: string): Promise<LocalFly> {
    const { endpoint, registry } = stackSettings(DEV);
    const { port } = new URL(endpoint!);
    const registryPort = registry!.split(":")[1]!;
    await fly("start", "--dir", dir, "--port", port, "--registry-port", registryPort);
    return await localFly(dir);
}

export async function localFly(dir: string): Promise<LocalFly> {
    return JSON.parse(await flyStatus(dir)) as LocalFly;
}

/** JSON: endpoint, registry, token, pid, apps with their addresses and machines. */
export function flyStatus(dir: string): Promise<string> {
    return fly("status", "--dir", dir);
}

/** Stops it and removes every container, volume, image and file of it. */
export async function resetFly(dir: string): Promise<void> {
    await fly("reset", "--dir", dir);
}
