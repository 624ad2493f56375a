/**
 * Provides the base image in the local Docker: uses it if present, else pulls it, else, if no registry
 * is reachable, builds it from Debian's packages under the same name.
 *
 * A built image behaves like the official one (user, entrypoint, volumes, paths), but uses Debian's
 * libc instead of Alpine's. Its label `appkata.base-image.made-from` and its description say so.
 */
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readFile, readdir, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { TOOLCHAIN } from "../../../lib/paths.ts";
import { say as toScreen } from "../../../lib/process.ts";
import { brokerVersion, findImage, importImage, MADE_LABEL, pullImage } from "./docker.ts";
import { downloadPackages, mosquittoVersion } from "./packages.ts";
import { recipeFor } from "./recipe.ts";
import type { Recipe } from "./recipe.ts";
import { makeRootfs } from "./rootfs.ts";

const HERE = import.meta.dirname;
const CACHE = join(TOOLCHAIN, "base-image");

/** Where the image came from, and what it was built from if it was built here. */
export interface BaseImage {
    image: string;
    origin: "present" | "pulled" | "made";
    madeFrom: string | undefined;
}

/**
 * Makes `image` usable in `FROM`. Repeating it changes nothing.
 * @param say called with a line for each step
 * @throws Error that says what is missing and how to get it
 */
export async function ensureBaseImage(
    image: string,
    say: (line: string) => void = toScreen,
): Promise<BaseImage> {
    const present = await findImage(image);
    if (present) {
        const kind = present.madeFrom ? `made from ${present.madeFrom}` : "as pulled or built";
        say(`base image ${image}: here already (${kind})`);
        return { image, origin: "present", madeFrom: present.madeFrom };
    }
    const pulled = await pullImage(image);
    if (pulled.ok) {
        say(`base image ${image}: pulled`);
        return { image, origin: "pulled", madeFrom: undefined };
    }
    if (pulled.reached) throw new Error(`${image} cannot be pulled: ${pulled.said}`);
    const recipe = recipeFor(image);
    say(`base image ${image}: no registry in reach (${pulled.said}); making it from Debian`);
    const started = Date.now();
    const madeFrom = await make(image, recipe);
    const seconds = ((Date.now() - started) / 1000).toFixed(1);
    say(`base image ${image}: made from ${madeFrom} in ${seconds} s (not the official image)`);
    return { image, origin: "made", madeFrom };
}

async function make(image: string, recipe: Recipe): Promise<string> {
    await mkdir(CACHE, { recursive: true });
    const { tarFile, version } = (await cached(recipe)) ?? (await makeTar(recipe));
    const upstream = version.replace(/-[^-]*$/, "").replace(/^\d+:/, "");
    const madeFrom = `Debian's mosquitto ${version} (${recipe.suite})`;
    const official = recipe.version === upstream ? "" : `, in place of ${image}`;
    await importImage(image, tarFile, [
        "ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        `ENV VERSION=${upstream}`,
        'VOLUME ["/mosquitto/data", "/mosquitto/log"]',
        "EXPOSE 1883",
        'ENTRYPOINT ["/docker-entrypoint.sh"]',
        'CMD ["/usr/sbin/mosquitto", "-c", "/mosquitto/config/mosquitto.conf"]',
        'LABEL org.opencontainers.image.title="eclipse-mosquitto"',
        `LABEL org.opencontainers.image.version="${upstream}"`,
        `LABEL org.opencontainers.image.description="Not the official image: made from ${madeFrom}${official}"`,
        `LABEL ${MADE_LABEL}="${madeFrom}"`,
    ]);
    await brokerVersion(image);
    return madeFrom;
}

interface Rootfs {
    tarFile: string;
    version: string;
}

/** Finds the root file system that an earlier run made with the same recipe. */
async function cached(recipe: Recipe): Promise<Rootfs | undefined> {
    const prefix = await cacheName(recipe);
    const record = join(CACHE, `${prefix}.version`);
    const tarFile = join(CACHE, `${prefix}.tar`);
    if (!existsSync(record) || !existsSync(tarFile)) return undefined;
    return { tarFile, version: (await readFile(record, "utf8")).trim() };
}

async function makeTar(recipe: Recipe): Promise<Rootfs> {
    const work = await mkdtemp(join(CACHE, "work-"));
    try {
        const files = await downloadPackages(recipe.suite, work);
        const version = mosquittoVersion(files);
        if (!version.startsWith(`${recipe.series}.`)) {
            throw new Error(
                `Debian ${recipe.suite} now has mosquitto ${version}, no longer ${recipe.series}`,
            );
        }
        const draft = join(work, "rootfs.tar");
        await makeRootfs(files, recipe, join(HERE, "image"), join(work, "root"), draft);
        const prefix = join(CACHE, await cacheName(recipe));
        // The tar is moved into place last, so an interrupted run leaves no record with a tar.
        await writeFile(`${prefix}.version`, `${version}\n`);
        await rename(draft, `${prefix}.tar`);
        return { tarFile: `${prefix}.tar`, version };
    } finally {
        await rm(work, { recursive: true, force: true });
    }
}

/** Name that changes with everything that shapes the root file system. */
async function cacheName(recipe: Recipe): Promise<string> {
    const hash = createHash("sha256").update(`${process.arch}\n`);
    const own = (await readdir(join(HERE, "image"))).map((name) => join("image", name));
    for (const name of [...own, "rootfs.ts", "packages.ts"].sort()) {
        hash.update(await readFile(join(HERE, name)));
    }
    return `mosquitto-${recipe.series}-${hash.digest("hex").slice(0, 12)}`;
}
