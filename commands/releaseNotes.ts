/**
 * Prints the changelog's section for a release: `node commands/releaseNotes.ts vVERSION`. Fails unless
 * package.json has that version and the section is the newest.
 */
import { readFileSync } from "node:fs";
import path from "node:path";
import { ROOT } from "../lib/paths.ts";

/**
 * Finds the section of a version.
 * @throws Error that says what to fix before the tag can be released
 */
export function releaseNotes(tag: string, version: string, changelog: string): string {
    if (tag !== `v${version}`) {
        throw new Error(`The tag is ${tag}, but package.json has version ${version}.`);
    }
    const [, newest = "", text = ""] = /^## (.+)\n([^]*?)(?=^## |(?![^]))/m.exec(changelog) ?? [];
    if (newest !== version) {
        throw new Error(`CHANGELOG.md begins with "${newest}", not with ${version}.`);
    }
    return text.trim();
}

if (import.meta.filename === process.argv[1]) {
    const read = (name: string) => readFileSync(path.join(ROOT, name), "utf8");
    const { version } = JSON.parse(read("package.json")) as { version: string };
    try {
        console.log(releaseNotes(process.argv[2] ?? "", version, read("CHANGELOG.md")));
    } catch (error) {
        console.error((error as Error).message);
        process.exitCode = 1;
    }
}
