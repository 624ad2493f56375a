/** This machine's Fly, through its own command, as anybody would use it. */
import { existsSync } from "node:fs";
import path from "node:path";
import { BIN, ROOT } from "../toolchain/paths.ts";
import { capture } from "../toolchain/process.ts";

export interface LocalFly {
    endpoint: string;
    registry: string;
    token: string;
}

const MAIN = path.join(ROOT, "local", "main.ts");
const env = { ...process.env, PATH: [BIN, process.env.PATH].join(path.delimiter) };

async function fly(command: string, dir: string): Promise<string> {
    const { code, stdout, stderr } = await capture(
        [process.execPath, MAIN, command, "--dir", dir],
        { env },
    );
    if (code !== 0) throw new Error(stderr.trimEnd() || `local Fly: ${command} failed`);
    return stdout;
}

/** Starts it if it does not run yet; ports as Pulumi.dev.yaml names them. */
export async function startFly(dir: string): Promise<LocalFly> {
    await fly("start", dir);
    return JSON.parse(await fly("status", dir)) as LocalFly;
}

/** Stops it and removes every container, volume, image and file of it. */
export async function resetFly(dir: string): Promise<void> {
    if (existsSync(dir)) await fly("reset", dir);
}
