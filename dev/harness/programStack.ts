/** A Pulumi program in a folder of its own, on the real engine, with its own state. */
import { spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { ROOT } from "../../lib/paths.ts";
import { pulumiEnvironment } from "../toolchain/environment.ts";
import { pulumiCli } from "../toolchain/pulumi.ts";
import { NODE_ARGS } from "./nodeArgs.ts";

export interface ProgramRun {
    code: number | null;
    output: string;
}

export interface Program {
    /** Name of the Pulumi project. */
    project: string;
    /** Text of index.js, which may import the Pulumi SDK and this project. */
    text: string;
    /** Fly token of its runs. */
    token: string;
}

export class ProgramStack {
    readonly dir = mkdtempSync(path.join(tmpdir(), "program-"));
    readonly #project: string;
    readonly #token: string;
    #name = "dev";

    /** Writes the program; `init` then creates its stack `dev`. */
    constructor({ project, text, token }: Program) {
        this.#project = project;
        this.#token = token;
        const modules = path.join(this.dir, "node_modules");
        mkdirSync(path.join(modules, "@pulumi"), { recursive: true });
        mkdirSync(path.join(this.dir, "backend"));
        const sdk = path.join("@pulumi", "pulumi");
        symlinkSync(path.join(ROOT, "node_modules", sdk), path.join(modules, sdk));
        symlinkSync(ROOT, path.join(modules, "appkata-mqtt"));
        const dependencies = { "@pulumi/pulumi": "*" };
        const manifest = { name: project, type: "module", main: "index.js", dependencies };
        this.write("package.json", JSON.stringify(manifest));
        this.write(
            "Pulumi.yaml",
            `name: ${project}\nruntime:\n  name: nodejs\n  options:\n` +
                `    typescript: false\n    nodeargs: ${NODE_ARGS}\n`,
        );
        this.write("index.js", text);
    }

    async init(): Promise<void> {
        await this.must(this.run("stack", "init", this.#name));
    }

    get name(): string {
        return this.#name;
    }

    async rename(name: string): Promise<void> {
        await this.must(this.run("stack", "rename", name, "--stack", this.#name));
        this.#name = name;
    }

    up(...more: string[]): Promise<ProgramRun> {
        return this.run("up", "--yes", "--skip-preview", ...more);
    }

    destroy(...more: string[]): Promise<ProgramRun> {
        return this.run("destroy", "--yes", "--skip-preview", ...more);
    }

    refresh(): Promise<ProgramRun> {
        return this.run("refresh", "--yes", "--skip-preview");
    }

    /** @throws with the output of a run that failed */
    async must(run: Promise<ProgramRun>): Promise<string> {
        const { code, output } = await run;
        if (code !== 0) throw new Error(output);
        return output;
    }

    /** Runs Pulumi's CLI on the stack. */
    run(...args: string[]): Promise<ProgramRun> {
        const plain = ["--non-interactive", "--color", "never", "--stack", this.#name];
        const command = args[0] === "stack" ? args : [...args, ...plain];
        const child = spawn(pulumiCli(), command, {
            cwd: this.dir,
            env: {
                ...process.env,
                ...pulumiEnvironment(path.join(this.dir, "backend")),
                PULUMI_CONFIG_PASSPHRASE: "of no use to anyone",
                FLY_API_TOKEN: this.#token,
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

    /** The state file's text. @returns empty before anything was written */
    stateText(): string {
        try {
            const folder = path.join(this.dir, "backend", ".pulumi", "stacks", this.#project);
            return readFileSync(path.join(folder, `${this.#name}.json`), "utf8");
        } catch {
            return "";
        }
    }

    /** Writes a file into the program's folder. */
    protected write(file: string, text: string): void {
        writeFileSync(path.join(this.dir, file), text);
    }

    remove(): void {
        rmSync(this.dir, { recursive: true, force: true });
    }
}
