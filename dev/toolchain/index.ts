/** Installs or finds everything that `npm run local` needs on a machine; quick if all is there. */
import { existsSync } from "node:fs";
import path from "node:path";
import { DEFAULT_BASE_IMAGE } from "../../config/defaults.ts";
import { ensureBaseImage } from "./base-image/index.ts";
import { canInstall, extract } from "./debian.ts";
import { ensureDocker } from "./docker.ts";
import { BIN } from "../../lib/paths.ts";
import { onPath, say } from "../../lib/process.ts";
import { ensurePulumi, type Pulumi } from "./pulumi.ts";
import { settingsInFile } from "../../lib/stackFile.ts";

/**
 * Provides Pulumi, Docker, the base image and the registry.
 * @param stack stack whose base image is needed
 */
export async function ensureToolchain(stack: string): Promise<Pulumi> {
    const made = await Promise.allSettled([
        ensurePulumi(),
        ensureDocker().then(() => ensureBaseImage(baseImageOf(stack), sayNews)),
        ensureRegistry(),
    ]);
    const failures = made.filter((result) => result.status === "rejected");
    if (failures.length > 0) {
        throw new Error(failures.map(({ reason }) => (reason as Error).message).join("\n"));
    }
    return (made[0] as PromiseFulfilledResult<Pulumi>).value;
}

/** Prints a line, unless it only says that the image is there. */
export function sayNews(line: string): void {
    if (!line.includes("here already")) say(line);
}

function baseImageOf(stack: string): string {
    return settingsInFile(stack).baseImage ?? DEFAULT_BASE_IMAGE;
}

/** Provides the OCI registry that the local Fly runs. */
async function ensureRegistry(): Promise<void> {
    if (existsSync(path.join(BIN, "docker-registry"))) return;
    if ((await onPath("docker-registry")) !== undefined) return;
    if (!(await canInstall())) {
        throw new Error(
            "docker-registry is missing: install it (Debian and Ubuntu have the package), then run this again.",
        );
    }
    await extract("docker-registry", "usr/bin/docker-registry");
}
