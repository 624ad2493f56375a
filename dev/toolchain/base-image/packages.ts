import { chmod, mkdir, readFile, readdir, writeFile } from "node:fs/promises";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { capture } from "../../../lib/process.ts";
import { lastLines, must } from "./run.ts";

/** Packages in the image; apt adds their dependencies. */
const WANTED = ["mosquitto", "mosquitto-clients", "busybox-static"];

/**
 * Dependencies of Mosquitto's package that its programs do not use in a container, such as a service
 * manager. apt is told that they are installed.
 */
const LEFT_OUT = ["systemd", "sysvinit-utils", "adduser", "init-system-helpers", "debconf"];

const KEYRINGS = [
    "/usr/share/keyrings/debian-archive-keyring.pgp",
    "/usr/share/keyrings/debian-archive-keyring.gpg",
];

/** Alternative for machines on which the image cannot be built. */
const OTHERWISE =
    "Bring the image over instead: `docker pull IMAGE && docker save IMAGE` where it can be pulled, " +
    "`docker load` here.";

/**
 * Finds the Debian mirror of this machine: the repository in apt's sources for the release the machine
 * runs.
 * @throws Error when the machine does not run Debian or has no such repository
 */
export async function debianMirror(osRelease = "/etc/os-release"): Promise<string> {
    const about = existsSync(osRelease) ? await readFile(osRelease, "utf8") : "";
    const field = (key: string) => new RegExp(`^${key}="?([^"\n]*)"?$`, "m").exec(about)?.[1];
    if (field("ID") !== "debian") {
        throw new Error(
            `this machine does not run Debian (${field("PRETTY_NAME") ?? process.platform}), so the ` +
                `image cannot be built from Debian's packages. ${OTHERWISE}`,
        );
    }
    const listed = await must("apt-get", [
        "indextargets",
        "--format",
        "$(RELEASE) $(COMPONENT) $(REPO_URI)",
        "Created-By: Packages",
    ]);
    const targets = listed.split("\n").map((line) => line.split(" "));
    for (const release of [field("VERSION_CODENAME"), "sid", "unstable", "testing", "stable"]) {
        const found = targets.find(([name, part]) => name === release && part === "main");
        if (found?.[2]) return found[2];
    }
    throw new Error(
        "apt's sources (/etc/apt/sources.list, sources.list.d) name no Debian repository. " +
            OTHERWISE,
    );
}

/**
 * Downloads Mosquitto's packages of a suite with their dependencies, through an apt with its own state
 * and sources that leaves the machine's apt alone. apt checks signatures and checksums with the
 * machine's Debian keyring and keeps its other settings, such as a proxy.
 * @param dir empty folder to work in
 * @returns absolute paths of the downloaded .deb files
 */
export async function downloadPackages(suite: string, dir: string): Promise<string[]> {
    const mirror = await debianMirror();
    const keyring = KEYRINGS.find((file) => existsSync(file));
    if (keyring === undefined) {
        throw new Error("Debian's keys are missing: apt-get install debian-archive-keyring");
    }
    // apt downloads as its own user, who needs access to the folder.
    await chmod(dir, 0o755);
    const archives = join(dir, "cache/archives");
    for (const sub of ["state/lists/partial", "cache/archives/partial", "sources"]) {
        await mkdir(join(dir, sub), { recursive: true });
    }
    await writeFile(
        join(dir, "sources/debian.sources"),
        `Types: deb\nURIs: ${mirror}\nSuites: ${suite}\nComponents: main\nSigned-By: ${keyring}\n`,
    );
    await writeFile(join(dir, "status"), LEFT_OUT.map(asInstalled).join("\n"));
    const configuration = join(dir, "apt.conf");
    await writeFile(configuration, aptConfiguration(dir));
    const apt = ["-c", configuration, "-qq"];
    const updated = await capture(["apt-get", ...apt, "update"], { timeoutMs: 300_000 });
    if (updated.code !== 0) {
        throw new Error(
            `Debian ${suite} cannot be read from this machine's mirror: ${lastLines(updated)}`,
        );
    }
    await must(
        "apt-get",
        [...apt, "install", "--yes", "--no-install-recommends", "--download-only", ...WANTED],
        { timeoutMs: 300_000 },
    );
    const files = (await readdir(archives)).filter((name) => name.endsWith(".deb")).sort();
    return files.map((name) => join(archives, name));
}

/** Finds the version of the downloaded `mosquitto` package, such as `2.1.2-3`. */
export function mosquittoVersion(files: string[]): string {
    for (const file of files) {
        const match = /\/mosquitto_([^_/]+)_[^/]*\.deb$/.exec(file);
        if (match?.[1]) return decodeURIComponent(match[1]);
    }
    throw new Error("apt downloaded no mosquitto package");
}

function asInstalled(name: string): string {
    return (
        `Package: ${name}\nStatus: install ok installed\nVersion: 9999\nArchitecture: all\n` +
        "Multi-Arch: foreign\nMaintainer: none <none@localhost>\nDescription: left out\n"
    );
}

/** Configuration read after the machine's own, so that it can drop its hooks and index files. */
function aptConfiguration(dir: string): string {
    return [
        "#clear APT::Update::Post-Invoke;",
        "#clear APT::Update::Post-Invoke-Success;",
        "#clear DPkg::Pre-Install-Pkgs;",
        "#clear Acquire::IndexTargets::deb::DEP-11;",
        "#clear Acquire::IndexTargets::deb::DEP-11-icons;",
        'Acquire::Languages "none";',
        'Acquire::Retries "2";',
        // Makes a list that cannot be fetched an error instead of a warning.
        'APT::Update::Error-Mode "any";',
        `Dir::State "${dir}/state";`,
        `Dir::State::status "${dir}/status";`,
        `Dir::Cache "${dir}/cache";`,
        'Dir::Etc::sourcelist "/dev/null";',
        `Dir::Etc::sourceparts "${dir}/sources";`,
        'Dir::Etc::preferences "/dev/null";',
        'Dir::Etc::preferencesparts "/dev/null";',
        "",
    ].join("\n");
}
