import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { keepPrivate } from "../../lib/privateFiles.ts";

describe("private files", () => {
    const dir = mkdtempSync(path.join(tmpdir(), "private-"));
    const local = path.join(dir, "local");
    const state = path.join(local, "pulumi", ".pulumi", "stacks", "dev.json");
    const before = process.umask();
    const modeOf = (file: string) => (statSync(file).mode & 0o777).toString(8);
    after(() => {
        process.umask(before);
        rmSync(dir, { recursive: true });
    });

    it("include those that an earlier version left open, whatever is in the folder", () => {
        process.umask(0o022);
        mkdirSync(path.dirname(state), { recursive: true });
        writeFileSync(state, "{}");
        const outside = path.join(dir, "outside");
        writeFileSync(outside, "");
        symlinkSync(outside, path.join(local, "link"));
        keepPrivate(local);
        assert.equal(modeOf(local), "700");
        assert.equal(modeOf(path.dirname(state)), "700");
        assert.equal(modeOf(state), "600");
        assert.equal(modeOf(outside), "644", "a link's target is another's");
    });

    it("include those that are written afterwards", () => {
        writeFileSync(path.join(dir, "plan.json"), "");
        mkdirSync(path.join(dir, "new"));
        assert.equal(modeOf(path.join(dir, "plan.json")), "600");
        assert.equal(modeOf(path.join(dir, "new")), "700");
    });
});
