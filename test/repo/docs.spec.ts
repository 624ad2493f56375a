/**
 * Checks the pages against the tree: links, files, npm scripts, specs and settings that they name must exist.
 */
import assert from "node:assert/strict";
import { globSync, readFileSync, statSync } from "node:fs";
import path from "node:path";
import { allSpecs } from "../../commands/specs.ts";
import { schema } from "../../config/schema.ts";
import { ROOT } from "../../lib/paths.ts";

const PAGES = ["*.md", "docs/*.md", "dev/**/*.md", "examples/*.md"].flatMap((pattern) =>
    globSync(pattern, { cwd: ROOT }),
);

const read = (page: string) => readFileSync(path.join(ROOT, page), "utf8");

const { scripts } = JSON.parse(read("package.json")) as { scripts: Record<string, string> };

// Passwords are secret and read elsewhere.
const SETTINGS = ["passwords", ...Object.keys(schema.shape)];

/** Checks of `npm test` that the pages name and that have no spec. */
const CHECKS = ["types", "format", "lint", "layers"];
const SPECS = allSpecs().flatMap(({ room, name }) => [room, name]);

/** Files that a run creates, and placeholders. */
const NOT_IN_GIT = /^(certs|backups|\.local|\.toolchain)\/|NAME/;

/** Anchors of the page's headings, as links use them. */
function anchors(page: string): string[] {
    return [...read(page).matchAll(/^#+ (.+)$/gm)].map(([, heading]) =>
        heading!
            .toLowerCase()
            .replace(/[^\p{L}\p{N}_ -]/gu, "")
            .replaceAll(" ", "-"),
    );
}

describe("the files", () => {
    it("of TypeScript have names in camelCase", () => {
        const files = globSync("{*,!(node_modules)/**/*}.ts", { cwd: ROOT });
        assert.ok(files.length > 300, `${files.length} files`);
        const wrong = files.filter(
            (file) => !/^[a-z][A-Za-z0-9]*(\.(spec|d))?\.ts$/.test(path.basename(file)),
        );
        assert.deepEqual(wrong, []);
    });
});

describe("the pages", () => {
    for (const page of PAGES) {
        it(`${page}: each link leads somewhere`, () => {
            const links = [...read(page).matchAll(/\]\(([^)\s]+)\)/g)].map(([, link]) => link!);
            for (const link of links.filter((one) => !/^https?:/.test(one))) {
                const [file, anchor] = link.split("#") as [string, string?];
                const target = file === "" ? page : path.join(path.dirname(page), file);
                assert.ok(
                    statSync(path.join(ROOT, target), { throwIfNoEntry: false }),
                    `${link}: no such file`,
                );
                if (anchor === undefined) continue;
                assert.ok(anchors(target).includes(anchor), `${link}: no such heading`);
            }
        });
    }

    for (const page of PAGES) {
        // Placeholders (`npm run X`, `pulumi config set KEY`) are in capitals.
        it(`${page}: commands name scripts, specs and settings that exist`, () => {
            const text = read(page);
            for (const [command, script] of text.matchAll(/npm run (?:--silent )?([a-z:]+)/g)) {
                assert.ok(scripts[script!], `${command}: no such script`);
            }
            for (const [command, names] of text.matchAll(/npm test -- ([^`\n]+?) *(?:#|`|$)/gm)) {
                for (const name of names!.split(" ").filter((one) => !/^[A-Z]/.test(one))) {
                    assert.ok([...SPECS, ...CHECKS].includes(name), `${command}: no ${name}`);
                }
            }
            for (const [command, key] of text.matchAll(
                /config set (?:--\w+ )*['"]*(?:appkata-mqtt:)?([a-z][\w:]*)/g,
            )) {
                assert.ok([...SETTINGS, "fly:token"].includes(key!), `${command}: no such setting`);
            }
            for (const [setting, key] of text.matchAll(/appkata-mqtt:([a-z]\w*)/g)) {
                assert.ok(SETTINGS.includes(key!), `${setting}: no such setting`);
            }
        });

        // A changelog names files as they were at the time.
        if (page === "CHANGELOG.md") continue;
        it(`${page}: the files that it names exist`, () => {
            for (const [, file] of read(page).matchAll(
                /`([\w.-]+\/[\w./-]+\.(?:ts|mjs|yaml|json|md))`/g,
            )) {
                if (NOT_IN_GIT.test(file!)) continue;
                const found = [file!, path.join(path.dirname(page), file!)].some((one) =>
                    statSync(path.join(ROOT, one), { throwIfNoEntry: false }),
                );
                assert.ok(found, `${file}: no such file`);
            }
        });
    }

    it("SECURITY.md: the tests that it names exist", () => {
        for (const [, test] of read("SECURITY.md").matchAll(/`(test\/[^`]+)`/g)) {
            const there = globSync([test!, `${test!}.spec.ts`], { cwd: ROOT });
            assert.equal(there.length, 1, test);
        }
    });

    it("docs/settings.md: has each setting once, and no other", () => {
        const rows = [...read("docs/settings.md").matchAll(/^\| (`[^|]+) \|/gm)];
        const named = rows.flatMap(([, keys]) => keys!.match(/\w+/g)!);
        assert.deepEqual(named.toSorted(), SETTINGS.toSorted());
    });
});
