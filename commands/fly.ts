/** This machine's Fly, through its own command, as anybody would use it. */
import path from "node:path";
import { dockerEnvironment } from "../config/dockerHost.ts";
import { DEV } from "../toolchain/devStack.ts";
import { BIN, ROOT } from "../toolchain/paths.ts";
import { capture } from "../toolchain/process.ts";
import { stackSettings } from "../toolchain/stackFile.ts";

export interface LocalFly {
    endpoint: string;
    registry: string;
    token: string;
    /** The authority that stands for the public ones, in PEM. */
    publicCaFile: string;
}

const MAIN = path.join(ROOT, "local", "main.ts");
async function fly(command: string, ...options: string[]): Promise<string> {
    const args = [MAIN, command, ...options];
    const env = {
        ...process.env,
        ...dockerEnvironment(process.env),
        PATH: [BIN, process.env.PATH].join(path.delimiter),
    };
    const { code, stdout, stderr } = await capture([process.execPath, ...args], { env, cwd: ROOT });
    if (code !== 0) throw new Error(stderr.trimEnd() || `local Fly: ${command} failed`);
    return stdout;
}

/** Starts it, if it does not run yet, where the dev stack's file will look for it. */
export async function startFly(dir: string): Promise<LocalFly> {
    const { endpoint, registry } = stackSettings(DEV);
    const { port } = new URL(endpoint!);
    const registryPort = registry!.split(":")[1]!;
    await fly("start", "--dir", dir, "--port", port, "--registry-port", registryPort);
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
