import { chmod, copyFile, mkdir, readdir, rename, rm, symlink, writeFile } from "node:fs/promises";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { must } from "./run.ts";
import type { Recipe } from "./recipe.ts";

/** Mosquitto's user and group, as in the official image. */
const MOSQUITTO_ID = 1883;

/** Files of this folder's `image/`, with their destinations and modes. */
const OWN_FILES: [name: string, to: string, mode: number][] = [
    ["docker-entrypoint.sh", "docker-entrypoint.sh", 0o755],
    ["mosquitto-no-auth.conf", "mosquitto-no-auth.conf", 0o644],
];

/**
 * Folders of the image with their modes, which do not depend on the umask. Parents come before
 * children.
 */
const FOLDERS: [path: string, mode: number][] = [
    ...[".", "usr", "usr/bin", "usr/sbin", "usr/lib", "usr/lib64", "etc", "dev", "proc", "sys"],
    ...["run", "var", "var/empty", "mosquitto"],
    ...["mosquitto/config", "mosquitto/data", "mosquitto/log"],
]
    .map((path): [string, number] => [path, 0o755])
    .concat([
        ["root", 0o700],
        ["tmp", 0o1777],
        ["var/tmp", 0o1777],
    ]);

/** Files that Debian ships and a container does not use. Copyright files in usr/share/doc stay. */
const UNUSED = [
    "etc/init.d",
    "etc/logrotate.d",
    "etc/mosquitto",
    "usr/lib/systemd",
    "usr/lib/sysusers.d",
    "usr/lib/tmpfiles.d",
    "usr/share/initramfs-tools",
    "usr/share/lintian",
    "usr/share/locale",
    "usr/share/man",
    "usr/share/mosquitto",
    "var/lib/mosquitto",
    "var/log/mosquitto",
];

/** busybox programs that would not work: the image has no package manager and no init. */
const NO_APPLET = new Set(["dpkg", "dpkg-deb", "rpm", "rpm2cpio", "init", "linuxrc", "busybox"]);

/**
 * Unpacks packages into a root file system laid out like the official image and packs it as a tar file:
 * user mosquitto (1883:1883), programs in /usr/bin and /usr/sbin, plugins in /usr/lib,
 * /mosquitto/{config,data,log}, /docker-entrypoint.sh, and busybox as the shell, as in Alpine.
 */
export async function makeRootfs(
    files: string[],
    recipe: Recipe,
    ownFiles: string,
    root: string,
    tarFile: string,
): Promise<void> {
    for (const dir of ["bin", "sbin", "lib", "lib64"]) {
        await mkdir(join(root, "usr", dir), { recursive: true });
        await symlink(`usr/${dir}`, join(root, dir));
    }
    for (const file of files) await must("dpkg-deb", ["-x", file, root]);
    await trim(root);
    await placePlugins(root);
    await addShell(root);
    await addUsers(root);
    for (const [dir, mode] of FOLDERS) {
        await mkdir(join(root, dir), { recursive: true });
        await chmod(join(root, dir), mode);
    }
    for (const [name, to, mode] of OWN_FILES) {
        await copyFile(join(ownFiles, name), join(root, to));
        await chmod(join(root, to), mode);
    }
    const configuration = join(root, "mosquitto/config/mosquitto.conf");
    await copyFile(join(ownFiles, `mosquitto-${recipe.series}.conf`), configuration);
    await must("chmod", ["-R", "u=rwX,go=rX", join(root, "mosquitto"), join(root, "etc")]);
    await pack(root, tarFile);
}

async function trim(root: string): Promise<void> {
    for (const path of UNUSED) await rm(join(root, path), { recursive: true, force: true });
    for (const dir of await triplets(root)) {
        await rm(join(dir, "gconv"), { recursive: true, force: true });
        // Some packages rely on ldconfig to create the links for their libraries.
        await must("/sbin/ldconfig", ["-n", dir]);
    }
    const docs = join(root, "usr/share/doc");
    for (const name of existsSync(docs) ? await readdir(docs) : []) {
        for (const entry of await readdir(join(docs, name)).catch(() => [])) {
            if (entry !== "copyright") await rm(join(docs, name, entry), { recursive: true });
        }
    }
}

/** Debian's library folders, such as usr/lib/x86_64-linux-gnu. */
async function triplets(root: string): Promise<string[]> {
    const lib = join(root, "usr/lib");
    return (await readdir(lib))
        .filter((name) => name.includes("-linux-gnu"))
        .map((name) => join(lib, name));
}

/** Moves Mosquitto's plugins to /usr/lib, where the official image has them. */
async function placePlugins(root: string): Promise<void> {
    for (const triplet of await triplets(root)) {
        // Debian's 2.1 keeps links under the 2.0 paths beside its plugin folder, so real files come
        // last.
        for (const dir of [triplet, join(triplet, "mosquitto")]) {
            for (const name of await readdir(dir).catch(() => [])) {
                if (!/^mosquitto_.*\.so$/.test(name)) continue;
                await rename(join(dir, name), join(root, "usr/lib", name));
                await chmod(join(root, "usr/lib", name), 0o755).catch(() => undefined);
            }
        }
        await rm(join(triplet, "mosquitto"), { recursive: true, force: true });
    }
}

async function addShell(root: string): Promise<void> {
    const busybox = join(root, "usr/bin/busybox");
    for (const name of (await must(busybox, ["--list"])).split("\n")) {
        if (name === "" || NO_APPLET.has(name)) continue;
        const link = join(root, "usr/bin", name);
        if (!existsSync(link)) await symlink("busybox", link);
    }
    await symlink("../bin/busybox", join(root, "usr/sbin/nologin"));
}

async function addUsers(root: string): Promise<void> {
    const id = MOSQUITTO_ID;
    const etc = join(root, "etc");
    await mkdir(etc, { recursive: true });
    await writeFile(
        join(etc, "passwd"),
        "root:x:0:0:root:/root:/bin/sh\n" +
            "nobody:x:65534:65534:nobody:/:/sbin/nologin\n" +
            `mosquitto:x:${id}:${id}:mosquitto:/var/empty:/sbin/nologin\n`,
    );
    await writeFile(
        join(etc, "group"),
        `root:x:0:root\ntty:x:5:\nnobody:x:65534:\nmosquitto:x:${id}:mosquitto\n`,
    );
    await writeFile(join(etc, "nsswitch.conf"), "hosts: files dns\n");
}

/**
 * Packs the tar file: root owns everything except /mosquitto, which the broker owns. The same packages
 * give the same bytes.
 */
async function pack(root: string, tarFile: string): Promise<void> {
    const fixed = ["-C", root, "--sort=name", "--mtime=@0", "--numeric-owner", "--format=gnu"];
    const all = ["--owner=0", "--group=0", "--exclude=./mosquitto", "."];
    const broker = [`--owner=${MOSQUITTO_ID}`, `--group=${MOSQUITTO_ID}`, "./mosquitto"];
    await must("tar", ["-cf", tarFile, ...fixed, ...all]);
    await must("tar", ["-rf", tarFile, ...fixed, ...broker]);
}
