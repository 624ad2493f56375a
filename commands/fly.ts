/** Runs the local Fly through its own command line. */
import path from "node:path";
import { dockerEnvironment } from "../config/dockerHost.ts";
import { DEV } from "../dev/toolchain/devStack.ts";
import { BIN, ROOT } from "../lib/paths.ts";
import { capture, say } from "../lib/process.ts";
import { settingsInFile } from "../lib/stackFile.ts";

export interface LocalFly {
    running: boolean;
    endpoint: string;
    registry: string;
    token: string;
    /** PEM file of the CA that stands in for the public ones. */
    publicCaFile: string;
    apps: { name: string; machines: { state: string }[] }[];
    /** Addresses that its edge cannot listen on, and why. */
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

/** Describes the ports that clients cannot reach and how to free them; undefined when all are reachable. */
export function refusedPorts({ refused }: LocalFly): string | undefined {
    const lines = refused.map(
        ({ ip, port, reason }) =>
            `Clients cannot reach port ${port} of ${ip}: ${reason}. Stop that program, or choose other ports ` +
            `in Pulumi.${DEV}.yaml (appkata-mqtt:port; webSocketsPort, clientCertificatePort).`,
    );
    return lines.length > 0 ? lines.join("\n") : undefined;
}

const POLL_EVERY_MS = 1000;

/**
 * Polls during a deployment whether clients can reach its ports.
 * @param onRefused called once with the text of `refusedPorts`
 * @returns a function that stops the polling
 */
export function watchPorts(
    { endpoint, token }: LocalFly,
    onRefused: (text: string) => void,
): () => void {
    let before: string | undefined;
    const timer = setInterval(() => {
        fetch(`${endpoint}/_local/state`, { headers: { authorization: `Bearer ${token}` } })
            .then(async (answer) => refusedPorts((await answer.json()) as LocalFly))
            .then((refused) => {
                // Report a port only when it is refused twice in a row: it may just be closing.
                if (refused !== undefined && refused === before) {
                    clearInterval(timer);
                    onRefused(refused);
                }
                before = refused;
            })
            // If Fly does not answer, the deployment itself fails with that error.
            .catch(() => undefined);
    }, POLL_EVERY_MS);
    return () => clearInterval(timer);
}

/** Starts the local Fly, unless it runs, on the ports that the dev stack's file names. */
export async function startFly(dir: string): Promise<LocalFly> {
    const { endpoint, registry } = settingsInFile(DEV);
    const { port } = new URL(endpoint!);
    const registryPort = registry!.split(":")[1]!;
    await fly("start", "--dir", dir, "--port", port, "--registry-port", registryPort);
    return await localFly(dir);
}

export async function localFly(dir: string): Promise<LocalFly> {
    return JSON.parse(await flyStatus(dir)) as LocalFly;
}

/** The status as JSON: endpoint, registry, token, pid, apps with their addresses and machines. */
export function flyStatus(dir: string): Promise<string> {
    return fly("status", "--dir", dir);
}

/** Stops the local Fly and removes all its containers, volumes, images and files. */
export async function resetFly(dir: string): Promise<void> {
    await fly("reset", "--dir", dir);
}
