/**
 * `npm run package [-- FOLDER]`: packs the component for other Pulumi programs, as JavaScript with types, into
 * `FOLDER/appkata-mqtt-VERSION.tgz`. Node runs no TypeScript below `node_modules`.
 */
import { cpSync, globSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { LOCAL, ROOT } from "../lib/paths.ts";
import { capture } from "../lib/process.ts";

/** Output folder, as in `tsconfig.package.json`. */
const BUILT = path.join(LOCAL, "package");

/** Files and folders that are packed as they are: the image's build context, and the pages. */
const PLAIN = ["broker/image", "CHANGELOG.md", "LICENSE", "README.md"];

interface Manifest {
    exports: Record<string, string>;
    [key: string]: unknown;
}

/** Turns the checkout's manifest into the package's: the component is the main file; development entries are left out. */
export function manifestOf(checkout: Manifest): Manifest {
    const { name, version, description, license, type, engines, dependencies } = checkout;
    const entry = (file: string) => ({ types: `./${file}.d.ts`, default: `./${file}.js` });
    return {
        ...{ name, version, private: true, description, license, type, engines },
        // TypeScript's older module resolutions ignore `exports`.
        ...{ main: "./components/index.js", types: "./components/index.d.ts" },
        exports: {
            ".": entry("components/index"),
            "./providers": entry("providers/host"),
        } as never,
        dependencies,
    };
}

async function run(command: string[], cwd: string): Promise<string> {
    const { code, stdout, stderr } = await capture(command, { cwd });
    if (code !== 0) throw new Error(`${command.join(" ")} failed:\n${stdout}${stderr}`);
    return stdout;
}

/** @returns the archive's path */
export async function buildPackage(folder: string): Promise<string> {
    rmSync(BUILT, { recursive: true, force: true });
    mkdirSync(folder, { recursive: true });
    await run([path.join(ROOT, "node_modules/.bin/tsc"), "-p", "tsconfig.package.json"], ROOT);
    for (const file of globSync(`${BUILT}/**/*.d.ts`)) {
        const text = readFileSync(file, "utf8");
        // The compiler rewrites extensions in JavaScript only, not in declarations.
        writeFileSync(file, text.replace(/((?:from|import\() ?"\.[^"]*)\.ts"/g, '$1.js"'));
    }
    for (const name of PLAIN)
        cpSync(path.join(ROOT, name), path.join(BUILT, name), { recursive: true });
    const manifest = JSON.parse(readFileSync(path.join(ROOT, "package.json"), "utf8")) as Manifest;
    const text = JSON.stringify(manifestOf(manifest), undefined, 4);
    writeFileSync(path.join(BUILT, "package.json"), `${text}\n`);
    const packed = await run(["npm", "pack", "--json", "--pack-destination", folder], BUILT);
    const [{ filename }] = JSON.parse(packed) as [{ filename: string }];
    return path.join(folder, filename);
}

if (import.meta.filename === process.argv[1]) {
    try {
        console.log(await buildPackage(path.resolve(process.argv[2] ?? ROOT)));
    } catch (error) {
        console.error((error as Error).message);
        process.exitCode = 1;
    }
}
