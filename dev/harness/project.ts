/**
 * The project as a bare clone, in its own folder and on its own ports, so that tests run the real commands
 * without touching what runs here. Packages and toolchain are symlinks.
 */
import { spawn } from "node:child_process";
import {
    cpSync,
    mkdirSync,
    mkdtempSync,
    readFileSync,
    rmSync,
    symlinkSync,
    utimesSync,
    writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { parse, stringify } from "yaml";
import type { BrokerOutputs } from "../../config/outputs.ts";
import { devStackIn, saltIn, writeStackFile } from "../toolchain/devStack.ts";
import { ROOT } from "../../lib/paths.ts";
import { capture } from "../../lib/process.ts";
import { pulumiCli } from "../toolchain/pulumi.ts";
import { freePorts } from "./freePorts.ts";

export interface Run {
    code: number | null;
    /** Standard output and error, interleaved. */
    output: string;
    stdout: string;
}

export interface Status {
    endpoint: string;
    registry: string;
    token: string;
    pid: number;
    publicCaFile: string;
    apps: {
        name: string;
        hostname: string;
        addresses: { ip: string; type: string }[];
        machines: { id: string; name: string; state: string; container: string | null }[];
        volumes: { id: string; name: string; state: string }[];
    }[];
}

/** Users in the setting's form, each granted everything. */
export function usersNamed(...names: string[]): { name: string; everything: true }[] {
    return names.map((name) => ({ name, everything: true }));
}

export class Project {
    readonly dir: string;
    #token: string | undefined;

    private constructor(dir: string) {
        this.dir = dir;
    }

    static async make(config: Record<string, unknown> = {}): Promise<Project> {
        const dir = mkdtempSync(path.join(tmpdir(), "appkata-"));
        const list = ["git", "ls-files", "-co", "--exclude-standard", "-z"];
        const { stdout } = await capture(list, { cwd: ROOT });
        for (const file of stdout.split("\0").filter((name) => name !== "")) {
            mkdirSync(path.dirname(path.join(dir, file)), { recursive: true });
            cpSync(path.join(ROOT, file), path.join(dir, file), { preserveTimestamps: true });
        }
        // A lock file newer than the linked packages would have them installed again.
        utimesSync(path.join(dir, "package-lock.json"), 0, 0);
        symlinkSync(path.join(ROOT, "node_modules"), path.join(dir, "node_modules"));
        symlinkSync(path.join(ROOT, ".toolchain"), path.join(dir, ".toolchain"));
        const project = new Project(dir);
        const [port, registryPort] = await freePorts(2);
        project.configure({
            endpoint: `http://127.0.0.1:${port}`,
            registry: `127.0.0.1:${registryPort}`,
            ...config,
        });
        return project;
    }

    /** Changes settings of the dev stack's file; undefined removes one. */
    configure(settings: Record<string, unknown>): void {
        this.edit("Pulumi.dev.yaml", (text) => {
            const file = parse(text) as { config: Record<string, unknown> };
            for (const [key, value] of Object.entries(settings)) {
                if (value === undefined) delete file.config[`appkata-mqtt:${key}`];
                else file.config[`appkata-mqtt:${key}`] = value;
            }
            return stringify(file);
        });
    }

    edit(file: string, change: (text: string) => string): void {
        const name = path.join(this.dir, file);
        writeFileSync(name, change(readFileSync(name, "utf8")));
    }

    read(file: string): string {
        return readFileSync(path.join(this.dir, file), "utf8");
    }

    /** `npm run SCRIPT -- ARGS` */
    npm(script: string, args: string[] = [], env: NodeJS.ProcessEnv = {}): Promise<Run> {
        return this.shell(["npm", "run", "--silent", script, "--", ...args], env);
    }

    /** Runs the main job, from nothing to a broker. @throws with its output */
    async deploy(): Promise<BrokerOutputs> {
        const run = await this.npm("local");
        if (run.code !== 0) throw new Error(run.output);
        return this.outputs();
    }

    pulumi(args: string[], env: NodeJS.ProcessEnv = {}): Promise<Run> {
        return this.npm("pulumi", [...args, "--non-interactive", "--color", "never"], env);
    }

    up(env: NodeJS.ProcessEnv = {}): Promise<Run> {
        return this.pulumi(["up", "--yes", "--skip-preview"], env);
    }

    /**
     * Runs the CLI itself on the dev stack, without the preparations of `npm run pulumi`; so `env` may remove
     * what the program needs.
     */
    async cli(args: string[], env: NodeJS.ProcessEnv = {}): Promise<Run> {
        const stack = devStackIn(this.dir);
        writeStackFile(stack, saltIn(stack.file)!, this.read("Pulumi.dev.yaml"));
        this.#token ??= (await this.status()).token;
        const plain = ["--non-interactive", "--color", "never"];
        return this.shell([pulumiCli(), ...args, ...stack.select, ...plain], {
            ...stack.env,
            FLY_API_TOKEN: this.#token,
            ...env,
        });
    }

    shell(command: string[], env: NodeJS.ProcessEnv = {}): Promise<Run> {
        const [program, ...args] = command;
        return new Promise((resolve, reject) => {
            const child = spawn(program!, args, {
                cwd: this.dir,
                env: { ...process.env, ...env },
                stdio: ["ignore", "pipe", "pipe"],
            });
            let output = "";
            let stdout = "";
            child.stdout.setEncoding("utf8").on("data", (text: string) => {
                stdout += text;
                output += text;
            });
            child.stderr.setEncoding("utf8").on("data", (text: string) => (output += text));
            child.on("error", reject);
            child.on("close", (code) => resolve({ code, output, stdout }));
        });
    }

    async outputs(showSecrets = true): Promise<BrokerOutputs> {
        const run = await this.npm("outputs", showSecrets ? ["--show-secrets"] : []);
        if (run.code !== 0) throw new Error(run.output);
        return JSON.parse(run.stdout) as BrokerOutputs;
    }

    async status(): Promise<Status> {
        const run = await this.npm("local:status");
        if (run.code !== 0) throw new Error(run.output);
        return JSON.parse(run.stdout) as Status;
    }

    /** The local Fly's own routes: requests served, and faults. */
    async admin<T>(method: string, route: string, body?: unknown): Promise<T> {
        const { endpoint, token } = await this.status();
        const response = await fetch(`${endpoint}/_local/${route}`, {
            method,
            headers: {
                authorization: `Bearer ${token}`,
                ...(body !== undefined && { "content-type": "application/json" }),
            },
            ...(body !== undefined && { body: JSON.stringify(body) }),
        });
        if (!response.ok) throw new Error(`${method} ${route}: ${await response.text()}`);
        const text = await response.text();
        return (text === "" ? undefined : JSON.parse(text)) as T;
    }

    /** Sends a request to the Machines API, as the token's owner could. */
    async fly(method: string, route: string, body?: unknown): Promise<Response> {
        const { endpoint, token } = await this.status();
        return fetch(`${endpoint}/v1${route}`, {
            method,
            headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
            ...(body !== undefined && { body: JSON.stringify(body) }),
        });
    }

    /** Stops everything that it started, and removes the folder. */
    async remove(): Promise<void> {
        const down = await this.npm("local:down");
        rmSync(this.dir, { recursive: true, force: true });
        if (down.code !== 0) throw new Error(down.output);
    }
}
