import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { ROOT } from "../../lib/paths.ts";
import { capture } from "../../lib/process.ts";

describe("a checkout as Git for Windows makes it", function () {
    this.timeout(60_000);
    let folder: string;
    before(() => {
        folder = mkdtempSync(path.join(tmpdir(), "checkout-"));
    });
    after(() => rmSync(folder, { recursive: true }));

    it("has line ends that shells can read", async function () {
        const git = (...args: string[]) => capture(["git", ...args], { cwd: folder });
        const clone = ["clone", "--quiet", "--depth", "1", "-c", "core.autocrlf=true"];
        const made = await git(...clone, `file://${ROOT}`, ".");
        // A downloaded archive of the project has no commits.
        if (made.code !== 0 && /not a git repository|does not (exist|appear)/.test(made.stderr))
            this.skip();
        assert.equal(made.code, 0, made.stderr);
        const files = (await git("ls-files", "-z")).stdout
            .split("\0")
            .filter((name) => name !== "");
        assert.ok(files.includes("broker/image/broker-entrypoint"));
        const wrong = files.filter((file) =>
            readFileSync(path.join(folder, file)).includes("\r\n"),
        );
        assert.deepEqual(wrong, []);
    });
});
