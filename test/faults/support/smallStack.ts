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
import { PROGRAM, PROJECT, PROJECT_FILE, RESOURCES } from "./smallProgram.ts";

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

export class SmallStack {
    readonly fly: LocalFly;
    readonly app: string;
    readonly dir: string;
    /** All that it was ever given. */
    readonly secrets = new Set<string>();
    #image: string;
    #settings: SmallSettings;
    #name = "dev";
    /** Logical names that the program has changed. */
    readonly #renamed = new Set<string>();
    #aliased = false;
    /** What was made past the program: paths below the app's. */
    readonly clones: string[] = [];

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
        const names = { renamed: [...this.#renamed], aliased: this.#aliased };
        const said = { endpoint, image: this.#image, app: this.app, settings: this.#settings };
        this.#write("settings.json", JSON.stringify({ ...said, ...names }));
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
        const [, logical] = RESOURCES[resource].split("::");
        const ending = this.#renamed.has(logical!) ? "-renamed" : "";
        return `urn:pulumi:${this.#name}::${PROJECT}::${type}:${RESOURCES[resource]}${ending}`;
    }

    /** Gives a resource its other logical name. @param aliased whether the program says that it had this one */
    renameInCode(resource: keyof typeof RESOURCES, aliased: boolean): void {
        const [, logical] = RESOURCES[resource].split("::");
        if (!this.#renamed.delete(logical!)) this.#renamed.add(logical!);
        this.#aliased = aliased;
        this.configure({});
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
