/** What the pages say and can be held against the tree: where their links lead, and which settings there are. */
import assert from "node:assert/strict";
import { globSync, readFileSync, statSync } from "node:fs";
import path from "node:path";
import { schema } from "../../config/schema.ts";
import { ROOT } from "../../lib/paths.ts";

const PAGES = ["*.md", "docs/*.md", "dev/**/*.md"].flatMap((pattern) =>
    globSync(pattern, { cwd: ROOT }),
);

const read = (page: string) => readFileSync(path.join(ROOT, page), "utf8");

/** The headings as links name them. */
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

    it("SECURITY.md: names tests that there are", () => {
        for (const [, test] of read("SECURITY.md").matchAll(/`(test\/[^`]+)`/g)) {
            const there = globSync([test!, `${test!}.spec.ts`], { cwd: ROOT });
            assert.equal(there.length, 1, test);
        }
    });

    it("docs/settings.md: has each setting once, and no other", () => {
        const rows = [...read("docs/settings.md").matchAll(/^\| (`[^|]+) \|/gm)];
        const told = rows.flatMap(([, keys]) => keys!.match(/\w+/g)!);
        // Passwords are secret and read by themselves.
        const keys = ["passwords", ...Object.keys(schema.shape)];
        assert.deepEqual(told.toSorted(), keys.toSorted());
    });
});
