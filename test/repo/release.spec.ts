import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import path from "node:path";
import { releaseNotes } from "../../commands/releaseNotes.ts";
import { ROOT } from "../../lib/paths.ts";

const CHANGELOG =
    "# Changelog\n\nNewest first.\n\n## 1.2.0\n\n- New.\n- Newer.\n\n## 1.1.0\n\n- Old.\n";

describe("release notes", () => {
    it("are the section of the version", () => {
        assert.equal(releaseNotes("v1.2.0", "1.2.0", CHANGELOG), "- New.\n- Newer.");
    });

    it("may be the only section", () => {
        assert.equal(releaseNotes("v1.0.0", "1.0.0", "## 1.0.0\n\n- All.\n"), "- All.");
    });

    it("are refused for a tag other than package.json's version", () => {
        assert.throws(() => releaseNotes("v1.3.0", "1.2.0", CHANGELOG), /v1\.3\.0.*1\.2\.0/);
    });

    it("are refused if the newest section is another version's", () => {
        assert.throws(
            () => releaseNotes("v1.1.0", "1.1.0", CHANGELOG),
            /"1\.2\.0", not with 1\.1\.0/,
        );
        assert.throws(() => releaseNotes("v1.1.0", "1.1.0", ""), /""/);
    });

    it("can be taken from this changelog, once its newest section is released", () => {
        const read = (name: string) => readFileSync(path.join(ROOT, name), "utf8");
        const { version } = JSON.parse(read("package.json")) as { version: string };
        const released = read("CHANGELOG.md").replace(" (unreleased)", "");
        assert.notEqual(releaseNotes(`v${version}`, version, released), "");
    });
});
