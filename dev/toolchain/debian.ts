/** Installs Debian packages where no confirmation is needed: as root, with apt-get. */
import { mkdirSync, readdirSync, renameSync, rmSync } from "node:fs";
import path from "node:path";
import { BIN, TOOLCHAIN } from "../../lib/paths.ts";
import { capture, onPath, step } from "../../lib/process.ts";

export async function canInstall(): Promise<boolean> {
    return process.getuid?.() === 0 && (await onPath("apt-get")) !== undefined;
}

let listsFresh: Promise<void> | undefined;

/** Fetches package lists, once a run and only if something is installed. */
function freshLists(): Promise<void> {
    listsFresh ??= step([...APT, "update"], { title: "Fetching Debian's package lists" });
    return listsFresh;
}

/**
 * The apt-get command, serialised across the machine: apt-get waits for dpkg's lock, but not for the
 * lists' lock.
 */
const APT = [
    "flock",
    "/tmp/appkata-apt.lock",
    "apt-get",
    "-o",
    "DPkg::Lock::Timeout=300",
    "-o",
    "Acquire::Retries=3",
];

// dpkg runs one installation at a time.
let queue: Promise<unknown> = Promise.resolve();
function oneAtATime<T>(work: () => Promise<T>): Promise<T> {
    const next = queue.then(work, work);
    queue = next.catch(() => undefined);
    return next;
}

export function install(...packages: string[]): Promise<void> {
    return oneAtATime(async () => {
        await freshLists();
        await step([...APT, "install", "-y", "--no-install-recommends", ...packages], {
            title: `Installing ${packages.join(", ")}`,
            env: { ...process.env, DEBIAN_FRONTEND: "noninteractive" },
        });
    });
}

/**
 * Copies one program of a package into `.toolchain/bin` without installing the package, which would
 * start its service. Works for programs that need no library.
 * @param file path inside the package, such as `usr/bin/docker-registry`
 */
export function extract(debianPackage: string, file: string): Promise<string> {
    const target = path.join(BIN, path.basename(file));
    return oneAtATime(async () => {
        await freshLists();
        const folder = path.join(TOOLCHAIN, "debian", debianPackage);
        rmSync(folder, { recursive: true, force: true });
        mkdirSync(folder, { recursive: true });
        mkdirSync(BIN, { recursive: true });
        await step([...APT, "download", debianPackage], {
            title: `Fetching ${debianPackage}`,
            cwd: folder,
        });
        const archive = readdirSync(folder).find((name) => name.endsWith(".deb"));
        const unpacked = await capture(["dpkg-deb", "-x", path.join(folder, archive!), folder]);
        if (unpacked.code !== 0) throw new Error(`dpkg-deb -x ${archive}: ${unpacked.stderr}`);
        renameSync(path.join(folder, file), target);
        rmSync(folder, { recursive: true, force: true });
        return target;
    });
}
