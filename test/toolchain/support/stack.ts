/** A scratch program with its own stack, PULUMI_HOME and state. */
import { spawn } from "node:child_process";
import {
    cpSync,
    mkdirSync,
    mkdtempSync,
    realpathSync,
    rmSync,
    symlinkSync,
    writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { binary, ROOT } from "./binaries.ts";
import { NODE_ARGS } from "../../../dev/harness/nodeArgs.ts";

export interface Said {
    code: number;
    text: string;
}

export interface Stack {
    folder: string;
    pulumi(...args: string[]): Promise<Said>;
    remove(): void;
}

const PLUGINS = { tls: "5.6.1", docker: "5.2.0", command: "1.2.1" };

/** Creates a program with these files; its entry is "index.ts". */
export function scratchStack(files: Record<string, string>): Stack {
    const folder = realpathSync(mkdtempSync(path.join(tmpdir(), "stack-")));
    const put = (name: string, text: string) => {
        mkdirSync(path.dirname(path.join(folder, name)), { recursive: true });
        writeFileSync(path.join(folder, name), text);
    };
    put(
        "package.json",
        '{"name":"scratch","type":"module","exports":{".":"./index.ts","./own":"./own.ts"}}',
    );
    const options = `{typescript: false, nodeargs: "${NODE_ARGS}"}`;
    put("Pulumi.yaml", `name: scratch\nruntime: {name: nodejs, options: ${options}}\n`);
    for (const [name, text] of Object.entries(files)) put(name, text);
    symlinkSync(path.join(ROOT, "node_modules"), path.join(folder, "node_modules"));

    const bin = path.join(folder, ".bin");
    mkdirSync(bin);
    mkdirSync(path.join(folder, ".state"));
    for (const name of ["pulumi", "pulumi-language-nodejs"]) {
        symlinkSync(binary(name), path.join(bin, name));
    }
    const dynamicHost = "pulumi-resource-pulumi-nodejs";
    cpSync(
        path.join(ROOT, "node_modules/@pulumi/pulumi", dynamicHost),
        path.join(bin, dynamicHost),
    );
    for (const [name, version] of Object.entries(PLUGINS)) {
        const home = path.join(folder, ".home/plugins", `resource-${name}-v${version}`);
        mkdirSync(home, { recursive: true });
        const file = `pulumi-resource-${name}`;
        symlinkSync(binary(file), path.join(home, file));
    }
    const env: NodeJS.ProcessEnv = {
        ...process.env,
        PATH: [bin, path.dirname(process.execPath), process.env["PATH"]].join(path.delimiter),
        PULUMI_HOME: path.join(folder, ".home"),
        PULUMI_BACKEND_URL: `file://${folder}/.state`,
        PULUMI_CONFIG_PASSPHRASE: "scratch",
        PULUMI_SKIP_UPDATE_CHECK: "true",
    };
    return {
        folder,
        pulumi: (...args) =>
            new Promise((resolve, reject) => {
                const command = ["--non-interactive", "--color", "never", ...args];
                const child = spawn(binary("pulumi"), command, { cwd: folder, env });
                let text = "";
                child.stdout.on("data", (chunk: Buffer) => (text += chunk.toString()));
                child.stderr.on("data", (chunk: Buffer) => (text += chunk.toString()));
                child.once("error", reject);
                child.once("close", (code) => resolve({ code: code ?? -1, text }));
            }),
        remove: () => rmSync(folder, { recursive: true, force: true }),
    };
}
