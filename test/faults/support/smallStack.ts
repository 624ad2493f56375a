/**
 * The least program that has one of each of Fly's resources, on the real engine and a backend of its
 * own. Several of them may say that they are the same stack.
 */
import { spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import type { LocalFly } from "../../../dev/fly/index.ts";
import { pulumiEnvironment } from "../../../dev/toolchain/environment.ts";
import { ROOT } from "../../../lib/paths.ts";
import { pulumiCli } from "../../../dev/toolchain/pulumi.ts";
import {
    APPLY,
    BROKER_FILES,
    CHECK,
    LISTEN,
    readAtStart,
    STATE,
} from "../../support/liveMachine.ts";
import { NODE_ARGS } from "../../support/nodeArgs.ts";

/** What the program makes of an app; each can be changed by an `up`. */
export interface SmallSettings {
    memoryMb: number;
    volumeSizeGb: number;
    /** The value of the app secret `SECRET`. */
    secret: string;
    ipv4: boolean;
    /** The one that is open to the outside. */
    port: number;
    /** Seconds, for each operation on the machine. @default 60 */
    timeoutS?: number;
}

export interface SmallRun {
    code: number | null;
    output: string;
}

const PROJECT = "small";

/** Type and logical name of each of the program's resources, as in their URNs. */
export const RESOURCES = {
    app: "App::app",
    address: "IpAddress::v6",
    volume: "Volume::data",
    secrets: "Secrets::secrets",
    machine: "Machine::machine",
} as const;

const PROGRAM = `
import { readFileSync } from "node:fs";
import { App, IpAddress, Machine, Secrets, Volume } from ${JSON.stringify(path.join(ROOT, "providers", "index.ts"))};
const { endpoint, image, app: name, settings } = JSON.parse(readFileSync("settings.json", "utf8"));
const { timeoutS = 60 } = settings;
const owner = { project: "${PROJECT}", stack: "dev" };
const made = new App("app", { endpoint, name, organization: "personal", owner });
const app = made.name;
new IpAddress("v6", { endpoint, app, type: "v6" });
if (settings.ipv4) new IpAddress("v4", { endpoint, app, type: "v4" });
const volume = new Volume("data", {
    endpoint, app, name: "data", region: "lhr", sizeGb: settings.volumeSizeGb, owner,
});
const secrets = new Secrets("secrets", {
    endpoint, app, files: { secret: settings.secret }, names: ["SECRET"],
    live: { machine: "small", owner, ...${JSON.stringify({ check: CHECK, apply: APPLY, state: STATE })} },
});
new Machine("machine", {
    endpoint, app, name: "small", region: "lhr", owner,
    secretsVersion: secrets.restartVersion,
    newestSecretsVersion: secrets.version,
    timeouts: { create: timeoutS, update: timeoutS, delete: timeoutS },
    config: {
        image,
        init: { cmd: ["/bin/sh", "-c", ${JSON.stringify(`${readAtStart("SECRET")} ${LISTEN}`)}] },
        files: [${JSON.stringify(BROKER_FILES)}],
        guest: { cpu_kind: "shared", cpus: 1, memory_mb: settings.memoryMb },
        mounts: [{ volume: volume.volumeId, path: "/data" }],
        services: [{ protocol: "tcp", internal_port: 1883, ports: [{ port: settings.port }], autostart: true, autostop: "off" }],
        checks: { tcp: { type: "tcp", port: 1883, interval: "1s", timeout: "1s" } },
        restart: { policy: "always" },
        stop_config: { signal: "SIGTERM", timeout: "5s" },
    },
});
`;

const PROJECT_FILE = `name: ${PROJECT}
runtime:
  name: nodejs
  options:
    typescript: false
    nodeargs: ${NODE_ARGS}
`;

export class SmallStack {
    readonly fly: LocalFly;
    readonly app: string;
    readonly dir: string;
    /** All that it was ever given. */
    readonly secrets = new Set<string>();
    #image: string;
    #settings: SmallSettings;
    #name = "dev";

    private constructor(fly: LocalFly, app: string, image: string, settings: SmallSettings) {
        this.fly = fly;
        this.app = app;
        this.dir = mkdtempSync(path.join(tmpdir(), "small-"));
        this.#image = image;
        this.#settings = settings;
    }

    /** @param image reference by digest, of something that has a shell and httpd */
    static async make(
        fly: LocalFly,
        app: string,
        image: string,
        settings: SmallSettings,
    ): Promise<SmallStack> {
        const stack = new SmallStack(fly, app, image, settings);
        const modules = path.join(stack.dir, "node_modules");
        mkdirSync(path.join(modules, "@pulumi"), { recursive: true });
        mkdirSync(path.join(stack.dir, "backend"));
        symlinkSync(
            path.join(ROOT, "node_modules", "@pulumi", "pulumi"),
            path.join(modules, "@pulumi", "pulumi"),
        );
        symlinkSync(ROOT, path.join(modules, "appkata-mqtt"));
        const dependencies = { "@pulumi/pulumi": "*" };
        const manifest = { name: PROJECT, type: "module", main: "index.js", dependencies };
        stack.#write("package.json", JSON.stringify(manifest));
        stack.#write("Pulumi.yaml", PROJECT_FILE);
        stack.#write("index.js", PROGRAM);
        stack.configure({});
        await stack.must(stack.run("stack", "init", "dev"));
        return stack;
    }

    get settings(): Readonly<SmallSettings> {
        return this.#settings;
    }

    configure(change: Partial<SmallSettings>): void {
        this.#settings = { ...this.#settings, ...change };
        this.secrets.add(this.#settings.secret);
        const { endpoint } = this.fly;
        const said = { endpoint, image: this.#image, app: this.app, settings: this.#settings };
        this.#write("settings.json", JSON.stringify(said));
    }

    /** @param image reference by digest */
    changeImage(image: string): void {
        this.#image = image;
        this.configure({});
    }

    up(...more: string[]): Promise<SmallRun> {
        return this.run("up", "--yes", "--skip-preview", ...more);
    }

    destroy(...more: string[]): Promise<SmallRun> {
        return this.run("destroy", "--yes", "--skip-preview", ...more);
    }

    refresh(): Promise<SmallRun> {
        return this.run("refresh", "--yes", "--skip-preview");
    }

    /** @throws with the output of a run that failed */
    async must(run: Promise<SmallRun>): Promise<string> {
        const { code, output } = await run;
        if (code !== 0) throw new Error(output);
        return output;
    }

    urn(resource: keyof typeof RESOURCES): string {
        const type = "pulumi-nodejs:dynamic/fly";
        return `urn:pulumi:${this.#name}::${PROJECT}::${type}:${RESOURCES[resource]}`;
    }

    /** Gives the stack another name, or its first one back. */
    async rename(): Promise<void> {
        const name = this.#name === "dev" ? "renamed" : "dev";
        await this.must(this.run("stack", "rename", name, "--stack", this.#name));
        this.#name = name;
    }

    /** Pulumi's CLI on the stack. */
    run(...args: string[]): Promise<SmallRun> {
        const plain = ["--non-interactive", "--color", "never", "--stack", this.#name];
        const command = args[0] === "stack" ? args : [...args, ...plain];
        const child = spawn(pulumiCli(), command, {
            cwd: this.dir,
            env: {
                ...process.env,
                ...pulumiEnvironment(path.join(this.dir, "backend")),
                PULUMI_CONFIG_PASSPHRASE: "of no use to anyone",
                FLY_API_TOKEN: this.fly.token,
            },
            stdio: ["ignore", "pipe", "pipe"],
        });
        let output = "";
        for (const stream of [child.stdout, child.stderr]) {
            stream.setEncoding("utf8").on("data", (text: string) => (output += text));
        }
        return new Promise((resolve, reject) => {
            child.on("error", reject);
            child.on("close", (code) => resolve({ code, output }));
        });
    }

    /** As it is on the disk. @returns empty before anything was written */
    stateText(): string {
        try {
            const file = path.join("backend", ".pulumi", "stacks", PROJECT, `${this.#name}.json`);
            return readFileSync(path.join(this.dir, file), "utf8");
        } catch {
            return "";
        }
    }

    remove(): void {
        rmSync(this.dir, { recursive: true, force: true });
    }

    #write(file: string, text: string): void {
        writeFileSync(path.join(this.dir, file), text);
    }
}
