/** Tests with a stub for an official CLI on PATH: its plugins are used if available, and it finds none of our hosts. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import {
    appendFileSync,
    chmodSync,
    cpSync,
    existsSync,
    globSync,
    mkdirSync,
    mkdtempSync,
    readFileSync,
    rmSync,
    symlinkSync,
    utimesSync,
    writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { ROOT } from "../../lib/paths.ts";
import { capture } from "../../lib/process.ts";
import { isOurs } from "../../dev/toolchain/pulumi.ts";

const STUB = `#!/bin/sh
case "$1" in
version) echo v3.300.0 ;;
plugin)
    echo "$@" >>"$ASKED"
    [ -e "$ONLINE" ] || exit 1
    mkdir -p "$PULUMI_HOME/plugins/resource-$4-$5"
    echo official >"$PULUMI_HOME/plugins/resource-$4-$5/pulumi-resource-$4"
esac
`;

describe("an official CLI on PATH", function () {
    this.timeout(30_000);
    let folder: string;
    const at = (...names: string[]) => path.join(folder, ...names);

    before(() => {
        folder = mkdtempSync(path.join(tmpdir(), "official-"));
        for (const file of globSync(["dev/toolchain/*.ts", "lib/*.ts"], { cwd: ROOT })) {
            cpSync(path.join(ROOT, file), at(file));
        }
        cpSync(path.join(ROOT, "package.json"), at("package.json"));
        symlinkSync(path.join(ROOT, "node_modules"), at("node_modules"));
        for (const name of ["path", ".toolchain/bin", ".toolchain/plugins"]) {
            mkdirSync(at(name), { recursive: true });
        }
        writeFileSync(at("path/pulumi"), STUB);
        chmodSync(at("path/pulumi"), 0o755);
        // Already built from these sources, so that nothing is built.
        for (const name of ["tls", "docker", "command"]) {
            writeFileSync(at(`.toolchain/plugins/pulumi-resource-${name}`), name);
        }
        writeFileSync(at(".toolchain/bin/.plugins"), createHash("sha256").digest("hex"));
        for (const name of ["pulumi-language-nodejs", "pulumi-resource-pulumi-nodejs"]) {
            writeFileSync(at(".toolchain/bin", name), "");
        }
    });
    after(() => rmSync(folder, { recursive: true }));

    async function ensure(): Promise<{ inUse: string; asked: string[] }> {
        writeFileSync(at("asked"), "");
        const script =
            'import { ensurePulumi } from "./dev/toolchain/pulumi.ts"; console.log((await ensurePulumi()).inUse)';
        const { code, stdout, stderr } = await capture(
            [process.execPath, "--input-type=module", "-e", script],
            {
                cwd: folder,
                env: {
                    PATH: `${at("path")}:/usr/bin:/bin`,
                    HOME: folder,
                    ASKED: at("asked"),
                    ONLINE: at("online"),
                },
            },
        );
        assert.equal(code, 0, stderr);
        return {
            inUse: stdout.trim(),
            asked: readFileSync(at("asked"), "utf8").split("\n").slice(0, -1),
        };
    }

    it("is not one that this project built, in any clone", () => {
        mkdirSync(at("other", ".toolchain", "bin"), { recursive: true });
        writeFileSync(at("other", ".toolchain", "bin", "pulumi"), STUB);
        symlinkSync(at("other", ".toolchain", "bin", "pulumi"), at("link"));
        assert.equal(isOurs(at("link")), true);
        assert.equal(isOurs(at("path", "pulumi")), false);
    });

    it("does not find our hosts, which it would prefer to its own", async () => {
        const { inUse, asked } = await ensure();
        assert.match(
            inUse,
            /^Pulumi v3\.300\.0 \(official\), this project's replacements for .* tls, docker, command$/,
        );
        // After the first failure the others are not tried.
        assert.equal(asked.length, 1);
        assert.ok(!existsSync(at(".toolchain/bin/pulumi-language-nodejs")));
        assert.ok(!existsSync(at(".toolchain/bin/pulumi-resource-pulumi-nodejs")));
    });

    it("is asked for its plugins once a day", async () => {
        assert.deepEqual((await ensure()).asked, []);
        yesterday();
        assert.equal((await ensure()).asked.length, 1);
        assert.deepEqual((await ensure()).asked, []);
    });

    it("gets its plugins as soon as they can be downloaded", async () => {
        appendFileSync(at("online"), "");
        yesterday();
        const { inUse, asked } = await ensure();
        assert.equal(asked.length, 3);
        assert.match(asked[0]!, /^plugin install resource tls v\S+ --reinstall$/);
        assert.equal(inUse, "Pulumi v3.300.0 (official), official plugins");
        assert.deepEqual((await ensure()).asked, []);
    });

    function yesterday(): void {
        const then = new Date(Date.now() - 25 * 60 * 60 * 1000);
        for (const mark of globSync(at(".toolchain/home/plugins/*/REPLACEMENT"))) {
            utimesSync(mark, then, then);
        }
    }
});
