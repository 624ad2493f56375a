/** The local Fly's command, with a directory of its own for each test. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import type { ProcessNote } from "../../../dev/fly/processes.ts";
import { Api } from "../../../dev/harness/api.ts";
import { docker } from "../../../dev/harness/image.ts";

export const run = promisify(execFile);

interface Status {
    running: boolean;
    endpoint: string;
    registry: string;
    token: string;
    pid: number;
    dir: string;
    publicCaFile: string;
    apps: {
        name: string;
        hostname: string;
        organization: string;
        addresses: { ip: string; type: string }[];
        machines: { id: string; state: string; container: string; image: string }[];
        volumes: { id: string }[];
    }[];
}

/** Construct it inside `describe`: it adds hooks. */
export class CommandFixture {
    dir!: string;

    constructor() {
        beforeEach(() => {
            this.dir = mkdtempSync(join(tmpdir(), "local-fly-cli-"));
        });
        afterEach(async () => {
            await this.command("reset");
            rmSync(this.dir, { recursive: true, force: true });
            assert.deepEqual(await this.containers(), []);
        });
    }

    /** Runs a command on ports that are free. */
    command(name: string, more: string[] = [], env: NodeJS.ProcessEnv = {}) {
        const free = ["--port", "0", "--registry-port", "0"];
        const args = ["dev/fly/main.ts", name, "--dir", this.dir, ...free, ...more];
        return run(process.execPath, args, { env: { ...process.env, ...env } });
    }

    async status(): Promise<Status> {
        return JSON.parse((await this.command("status")).stdout) as Status;
    }

    async api(): Promise<Api> {
        const seen = await this.status();
        return new Api({ ...seen, registryPid: undefined, close: () => Promise.resolve() });
    }

    /** The note of a process in a file of the directory. */
    note(file: string): ProcessNote {
        return JSON.parse(readFileSync(join(this.dir, file), "utf8")) as ProcessNote;
    }

    /** States of the containers of the app `cli`. */
    async containers(): Promise<string[]> {
        return (await docker.listContainers({ all: true }))
            .filter((one) => one.Names.some((name) => name.startsWith("/fly-cli-")))
            .map((one) => one.State);
    }
}
