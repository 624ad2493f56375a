/** Installs the tests' own tools: programs that know nothing of this project. */
import { existsSync, globSync } from "node:fs";
import path from "node:path";
import { canInstall, extract, install } from "./debian.ts";
import { ensureBaseImage } from "./base-image/index.ts";
import { ensureToolchain, sayNews } from "./index.ts";
import { TOOLCHAIN } from "../../lib/paths.ts";
import { capture, onPath } from "../../lib/process.ts";

/** The oldest image that the program supports. */
const OLD_BASE_IMAGE = "eclipse-mosquitto:2.0.22";

const PROGRAMS = {
    mosquitto_sub: "mosquitto-clients",
    openssl: "openssl",
    testssl: "testssl.sh",
    pip3: "python3-pip",
};

const ZIZMOR_VERSION = "1.32.0";
export const ZIZMOR = path.join(TOOLCHAIN, `zizmor-${ZIZMOR_VERSION}`, "bin", "zizmor");

/**
 * Installs the tools that every run needs.
 * @returns one line that names the toolchain in use
 */
export async function ensureTestTools(): Promise<string> {
    const { inUse } = await ensureToolchain("dev");
    await ensureBaseImage(OLD_BASE_IMAGE, sayNews);
    const missing: string[] = [];
    for (const [program, debianPackage] of Object.entries(PROGRAMS)) {
        if ((await onPath(program)) === undefined) missing.push(debianPackage);
    }
    if (missing.length > 0) {
        if (!(await canInstall()))
            throw new Error(`The tests need ${missing.join(", ")}: install them.`);
        await install(...missing);
    }
    return inUse;
}

/**
 * Installs zizmor, which audits the workflows.
 * @returns whether it is installed
 */
export async function ensureZizmor(): Promise<boolean> {
    if (existsSync(ZIZMOR)) return true;
    const into = path.dirname(path.dirname(ZIZMOR));
    const { code } = await capture([
        ...["pip3", "install", "--quiet", "--no-deps", "--target", into],
        `zizmor==${ZIZMOR_VERSION}`,
    ]);
    return code === 0;
}

/**
 * Installs libfaketime for the test that shifts a program's clock.
 * @returns the library's path
 */
export async function ensureFaketime(): Promise<string> {
    const find = () => globSync("/usr/lib/*/faketime/libfaketimeMT.so.1")[0];
    if (find() === undefined) {
        if (!(await canInstall())) throw new Error("The test needs libfaketime: install it.");
        await install("libfaketime");
    }
    return find()!;
}

/** Installs the browser that one test needs. */
export async function ensureBrowser(): Promise<void> {
    if ((await onPath("chromium")) !== undefined) return;
    if (!(await canInstall())) throw new Error("The test needs chromium: install it.");
    await install("chromium");
}

/**
 * Extracts Prometheus and promtool, which validate our files. Installing their package would start a
 * server.
 */
export async function ensurePrometheus(): Promise<void> {
    for (const program of ["promtool", "prometheus"]) {
        if ((await onPath(program)) !== undefined) continue;
        if (!(await canInstall())) throw new Error("The test needs prometheus: install it.");
        await extract("prometheus", `usr/bin/${program}`);
    }
}
