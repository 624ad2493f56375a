// core
/** Tests the replacement for the command plugin against the official one's behaviour. */
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import {
    isSecret,
    plain,
    type Plugin,
    type Properties,
    secret,
    startProvider,
    UNKNOWN,
    urnOf,
} from "./support/provider.ts";

const COMMAND = urnOf("command:local:Command");

describe("command plugin", () => {
    let plugin: Plugin;
    let folder: string;
    before(async () => {
        plugin = await startProvider("command", {
            env: { ...process.env, FROM_OUTSIDE: "outer" },
        });
        const answer = await plugin.configure();
        assert.ok(answer.getAcceptsecrets());
        folder = realpathSync(mkdtempSync(path.join(tmpdir(), "command-")));
    });
    after(async () => {
        await plugin.stop();
        rmSync(folder, { recursive: true });
    });

    const make = (inputs: Properties) => plugin.create(COMMAND, inputs);
    const stdout = async (inputs: Properties) => (await make(inputs)).properties["stdout"];

    it("returns the command's output without the final newline", async () => {
        const { id, properties } = await make({ create: "echo out; echo; echo err >&2" });
        assert.equal(properties["stdout"], "out\n");
        assert.equal(properties["stderr"], "err");
        assert.match(id, /^it[0-9a-f]{8}$/);
    });

    it("runs in /bin/sh, or in the interpreter that is given", async () => {
        assert.equal(await stdout({ create: "echo $0" }), "/bin/sh");
        const node = { create: "console.log(1 + 1)", interpreter: [process.execPath, "-e"] };
        assert.equal(await stdout(node), "2");
    });

    it("gives the command its directory, environment and input", async () => {
        const said = await stdout({
            create: "pwd; echo $FROM_OUTSIDE $OWN; cat",
            dir: folder,
            environment: { OWN: "own" },
            stdin: "typed",
        });
        assert.equal(said, `${folder}\nouter own\ntyped`);
    });

    it("fails with the exit code, the command and its whole output, in order", async () => {
        await assert.rejects(make({ create: "echo first; sleep 0.1; echo second >&2; exit 7" }), {
            message:
                'exit status 7: running "echo first; sleep 0.1; echo second >&2; exit 7":\n' +
                "first\nsecond\n",
        });
    });

    it("fails when directory or interpreter is missing", async () => {
        await assert.rejects(make({ create: "true", dir: "/nowhere" }), /\/nowhere/);
        await assert.rejects(make({ create: "true", interpreter: ["/none"] }), /\/none/);
    });

    it("runs nothing in a preview and leaves the outputs unknown", async () => {
        const mark = path.join(folder, "preview");
        const inputs = { create: `echo x > ${mark}` };
        const { properties } = await plugin.create(COMMAND, inputs, true);
        assert.equal(properties["stdout"], UNKNOWN);
        assert.equal(properties["create"], inputs.create);
        await plugin.update(COMMAND, { ...inputs, stdout: "a", stderr: "" }, inputs, true);
        assert.throws(() => readFileSync(mark), /ENOENT/);
    });

    it("runs update, or create again, and passes on the previous output", async () => {
        const show = "echo was=$PULUMI_COMMAND_STDOUT,$PULUMI_COMMAND_STDERR";
        const state = { create: "x", stdout: "one", stderr: "two" };
        const viaUpdate = await plugin.update(COMMAND, state, { create: "false", update: show });
        assert.equal(viaUpdate["stdout"], "was=one,two");
        const viaCreate = await plugin.update(COMMAND, state, { create: show });
        assert.equal(viaCreate["stdout"], "was=one,two");
        const hidden = { create: show, addPreviousOutputInEnv: false };
        assert.equal((await plugin.update(COMMAND, state, hidden))["stdout"], "was=,");
    });

    it("runs delete when there is one", async () => {
        const mark = path.join(folder, "deleted");
        const state = {
            delete: `printf %s $PULUMI_COMMAND_STDOUT > ${mark}`,
            stdout: "o",
            stderr: "",
        };
        await plugin.delete(COMMAND, "id", state);
        assert.equal(readFileSync(mark, "utf8"), "o");
        await plugin.delete(COMMAND, "id", { create: "exit 1", stdout: "", stderr: "" });
        const failing = { delete: "exit 1", stdout: "", stderr: "" };
        await assert.rejects(plugin.delete(COMMAND, "id", failing), /exit status 1/);
    });

    it("shows lines as the resource's status, depending on the logging mode", async () => {
        for (const [logging, shown] of [
            [undefined, ["err", "out"]],
            ["stdout", ["out"]],
            ["stderr", ["err"]],
            ["stdoutAndStderr", ["err", "out"]],
            ["none", []],
        ] as const) {
            plugin.log.length = 0;
            const { properties } = await make({
                create: "echo out; echo err >&2",
                ...(logging === undefined ? {} : { logging }),
            });
            assert.equal(properties["stdout"], "out");
            assert.deepEqual(plugin.log.map((line) => line.message).sort(), shown);
            assert.ok(plugin.log.every((line) => line.ephemeral && line.urn === COMMAND));
        }
    });

    it("keeps secret inputs secret, but makes no output secret by itself", async () => {
        const { properties } = await make({
            create: "echo $A",
            environment: { A: secret("hidden") },
            stdin: secret("also"),
        });
        const environment = properties["environment"] as Properties;
        assert.ok(isSecret(environment["A"]) && isSecret(properties["stdin"]));
        assert.equal(plain(environment["A"]), "hidden");
        // As in the official plugin: a program sets additionalSecretOutputs if it needs that.
        assert.equal(properties["stdout"], "hidden");
    });

    it("refuses inputs of a wrong type, by name", async () => {
        const { failures } = await plugin.check(COMMAND, {
            create: 5,
            environment: { A: 1 },
            interpreter: "sh",
        });
        assert.deepEqual(
            failures.map((failure) => failure.property),
            ["create", "environment", "interpreter"],
        );
    });

    describe("change of its inputs", () => {
        const OLD: Properties = { create: "a", environment: { A: "1" }, triggers: ["t", 1] };
        const STATE: Properties = { ...OLD, stdout: "", stderr: "" };
        const diff = (news: Properties) => plugin.diff(COMMAND, STATE, news, OLD);

        it("is none when they are the same", async () => {
            assert.equal((await diff(OLD)).changes, "none");
            assert.equal((await plugin.diff(COMMAND, STATE, OLD)).changes, "none");
        });

        it("updates, by path", async () => {
            const change = await diff({ ...OLD, create: "b", environment: { A: "2", B: "3" } });
            assert.deepEqual(change.replaces, []);
            assert.deepEqual(change.detailed, {
                create: "update",
                "environment.A": "update",
                "environment.B": "add",
            });
        });

        it("reports a changed trigger by its index, for the SDK's replaceOnChanges", async () => {
            assert.deepEqual((await diff({ ...OLD, triggers: ["u", 1] })).detailed, {
                "triggers[0]": "update",
            });
            assert.deepEqual((await diff({ ...OLD, triggers: [UNKNOWN, 1] })).detailed, {
                "triggers[0]": "update",
            });
        });

        it("replaces when triggers are added or removed", async () => {
            const without: Properties = { create: "a", environment: { A: "1" } };
            assert.deepEqual((await diff(without)).replaces, ["triggers"]);
            const come = await plugin.diff(COMMAND, { ...without, stdout: "" }, OLD, without);
            assert.deepEqual(come.replaces, ["triggers"]);
        });
    });

    it("returns the files that assetPaths and archivePaths match", async () => {
        writeFileSync(path.join(folder, "a.txt"), "a");
        writeFileSync(path.join(folder, "b.txt"), "b");
        const { properties } = await make({
            create: "true",
            dir: folder,
            assetPaths: ["*.txt", "!b.txt"],
            archivePaths: ["**.txt"],
        });
        assert.deepEqual(Object.keys(properties["assets"] as Properties), ["a.txt"]);
        const archive = properties["archive"] as { assets: Properties };
        assert.deepEqual(Object.keys(archive.assets).sort(), ["a.txt", "b.txt"]);
    });

    it("ends a running command when the engine cancels", async () => {
        const mark = path.join(folder, "pid");
        const running = make({ create: `echo $$ > ${mark}; exec sleep 60` });
        running.catch(() => undefined);
        let pid = 0;
        while (!(pid > 0)) {
            await new Promise((resolve) => setTimeout(resolve, 20));
            try {
                pid = Number(readFileSync(mark, "utf8"));
            } catch {
                // Not written yet.
            }
        }
        await plugin.cancel();
        await assert.rejects(running, /signal: killed/);
        assert.throws(() => process.kill(pid, 0), /ESRCH/);
        assert.equal(await stdout({ create: "echo again" }), "again");
    });
});
