/** Runs the command that sets a user's password, as docs and errors show it, in a real shell with Pulumi's CLI. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { nameProblems } from "../../config/userNames.ts";
import { passwordCommand } from "../../config/commands.ts";
import { passwordsSchema } from "../../config/schema.ts";
import { binary } from "./support/binaries.ts";

const NAMES = [
    ...["ada", "a.b", "joe+x@example.com", "lab/7.x", 'the "last" one', "it's", "[0]", "0", "a]b"],
    ...['a\\"b', "a\\b.c", "x$(x)`x`", "-x", "a\\", "."],
];

describe("the command that sets a password", function () {
    this.timeout(120_000);
    let folder: string;

    before(() => {
        folder = mkdtempSync(path.join(tmpdir(), "passwords-"));
        mkdirSync(path.join(folder, "state"));
        writeFileSync(path.join(folder, "Pulumi.yaml"), "name: scratch\nruntime: nodejs\n");
        shell("pulumi stack init dev");
    });
    after(() => rmSync(folder, { recursive: true }));

    function shell(command: string): string {
        const { status, stdout, stderr } = spawnSync("sh", ["-c", command], {
            cwd: folder,
            encoding: "utf8",
            env: {
                PATH: `${path.dirname(binary("pulumi"))}:${process.env.PATH}`,
                HOME: folder,
                PULUMI_HOME: path.join(folder, "home"),
                PULUMI_BACKEND_URL: `file://${folder}/state`,
                PULUMI_CONFIG_PASSPHRASE: "scratch",
                PULUMI_SKIP_UPDATE_CHECK: "true",
            },
        });
        assert.equal(status, 0, `${command}\n${stderr}`);
        return stdout;
    }

    it("sets it for every name that settings accept", () => {
        const users = NAMES.map((name) => ({
            ...{ name, read: [], write: [], readWrite: [], deny: [], everything: true as const },
        }));
        assert.deepEqual(
            nameProblems(users, { read: [], write: [], readWrite: [] }).filter(Boolean),
            [],
        );
        const script = NAMES.map((name, at) => `${passwordCommand(name)} 1234567${at}`);
        shell(script.join(" && "));
        const text = JSON.parse(shell("pulumi config --show-secrets --json")) as Record<
            string,
            { value: string; secret: boolean }
        >;
        const { value, secret } = text["scratch:passwords"]!;
        assert.ok(secret);
        assert.deepEqual(
            passwordsSchema.parse(value),
            Object.fromEntries(NAMES.map((name, at) => [name, `1234567${at}`])),
        );
    });
});
