import assert from "node:assert/strict";
import { chmodSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { installProgram } from "../../dev/toolchain/replacements.ts";
import { capture } from "../../lib/process.ts";

describe("a program that is installed", () => {
    let folder: string;
    const at = (name: string) => path.join(folder, name);

    before(() => {
        folder = mkdtempSync(path.join(tmpdir(), "install-"));
        writeFileSync(at("source"), "#!/bin/sh\necho first\n");
        chmodSync(at("source"), 0o755);
        installProgram(at("source"), at("target"));
    });
    after(() => rmSync(folder, { recursive: true }));

    it("runs", async () => {
        assert.equal((await capture([at("target")])).stdout, "first\n");
    });

    it("is left alone while it is the same, since another command may be about to run it", () => {
        const before = statSync(at("target"));
        installProgram(at("source"), at("target"));
        const { ino, ctimeMs } = statSync(at("target"));
        assert.deepEqual([ino, ctimeMs], [before.ino, before.ctimeMs]);
    });

    it("is another file once it has changed, never the old one written over", async () => {
        const before = statSync(at("target"));
        writeFileSync(at("source"), "#!/bin/sh\necho second\n");
        installProgram(at("source"), at("target"));
        assert.notEqual(statSync(at("target")).ino, before.ino);
        assert.equal((await capture([at("target")])).stdout, "second\n");
        assert.deepEqual(readdirSync(folder).toSorted(), ["source", "target"]);
    });
});
