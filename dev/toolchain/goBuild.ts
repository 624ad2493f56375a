/** Builds programs from the Go module in `dev/replacements`, once for the same sources. */
import { createHash } from "node:crypto";
import { existsSync, globSync, readFileSync, statSync, writeFileSync } from "node:fs";
import path from "node:path";
import { BIN, ROOT } from "../../lib/paths.ts";
import { capture, step } from "../../lib/process.ts";
import { atLeast } from "./versions.ts";

export const GO_MODULE = path.join(ROOT, "dev", "replacements");
const MINIMUM_GO = [1, 25];

/** Builds commands of the module into a folder. */
export function goBuilt(
    name: string,
    targets: string[],
    [folder, ...packages]: string[],
    title: string,
): Promise<void> {
    const command = [
        "go",
        "build",
        "-buildvcs=false",
        "-trimpath",
        "-ldflags",
        "-s -w",
        "-o",
        `${folder}/`,
        ...packages,
    ];
    return built(name, digest(globSync(`${GO_MODULE}/**/*`)), targets, () =>
        step(command, { title: `Building the ${title}`, cwd: GO_MODULE }),
    );
}

/** Builds unless the same sources were already built. */
export async function built(
    name: string,
    sources: string,
    targets: string[],
    build: () => Promise<void>,
): Promise<void> {
    const stamp = path.join(BIN, `.${name}`);
    const stamped = existsSync(stamp) && readFileSync(stamp, "utf8") === sources;
    if (stamped && targets.every((target) => existsSync(target))) return;
    await needGo();
    await build();
    writeFileSync(stamp, sources);
}

async function needGo(): Promise<void> {
    const { code, stdout } = await capture(["go", "env", "GOVERSION"]);
    if (code === 0 && atLeast(stdout.trim(), MINIMUM_GO)) return;
    const seen = code === 0 ? `it is ${stdout.trim()}` : "it is missing";
    throw new Error(
        `Pulumi can't be downloaded here, and building it needs Go ${MINIMUM_GO.join(".")} or later; ${seen}. ` +
            "Install Pulumi or Go, then run this again.",
    );
}

/** Hashes the files' names and contents; folders are ignored. */
export function digest(files: string[]): string {
    const hash = createHash("sha256");
    for (const file of files.toSorted()) {
        if (statSync(file).isFile()) hash.update(path.basename(file)).update(readFileSync(file));
    }
    return hash.digest("hex");
}
