import assert from "node:assert/strict";
import { existsSync, readdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { badBackups, writeWithoutTopics } from "../support/badBackups.ts";
import { collect, connect } from "../../dev/harness/mqtt.ts";
import { inContainer, runUntil, WAITS, waitsAt } from "../support/heldCommand.ts";
import { until } from "../../dev/harness/until.ts";
import { killTree } from "../support/processTree.ts";
import type { BrokerOutputs } from "../../config/outputs.ts";
import { Project } from "../../dev/harness/project.ts";

/**
 * A backup or restore that fails or is killed leaves the broker its old data or the new, and does not block
 * the next.
 */
describe("a backup or restore that fails", function () {
    this.timeout(240_000);
    let project: Project;
    let outputs: BrokerOutputs;
    let container: string;
    const file = () => path.join(project.dir, "first.backup");
    const backup = (name: string) => project.npm("backup", ["--file", name]);
    const restore = (name: string) => project.npm("restore", ["--file", name, "--yes"]);

    before(async () => {
        project = await Project.make();
        outputs = await project.deploy();
        container = (await project.status()).apps[0]!.machines[0]!.container!;
        await say("first");
        const run = await backup(file());
        assert.equal(run.code, 0, run.output);
        await say("second");
    });
    after(async () => {
        await project.remove();
    });

    async function say(text: string): Promise<void> {
        const client = await connect(outputs);
        await client.publishAsync("said", text, { qos: 1, retain: true });
        await client.endAsync();
    }

    async function holds(text: string): Promise<void> {
        const client = await connect(outputs);
        const message = collect(client, 1);
        await client.subscribeAsync("said", { qos: 1 });
        assert.deepEqual(await message, [`said ${text}`]);
        await client.endAsync();
    }

    const inMachine = (script: string) => inContainer(container, script);

    async function nothingBeside(): Promise<void> {
        const listed = (await inMachine("ls -A /mosquitto/data")).trim().split("\n");
        const own = /^(mosquitto\.sqlite3(-wal|-shm)?|\.reserve|lost\+found)$/;
        assert.deepEqual(
            listed.filter((name) => !own.test(name)),
            [],
        );
    }

    it("is refused if truncated, changed, of another series or no backup, and the old data stays", async () => {
        for (const [name, bytes, expected] of badBackups(file())) {
            const bad = path.join(project.dir, `${name}.backup`);
            writeFileSync(bad, bytes);
            const run = await restore(bad);
            assert.notEqual(run.code, 0, run.output);
            assert.match(run.output, expected);
        }
        await holds("second");
    });

    it("is refused in both directions if the volume has no room", async () => {
        await inMachine("dd if=/dev/zero of=/mosquitto/data/filler bs=65536 2>/dev/null || true");
        for (const run of [await backup(`${file()}.2`), await restore(file())]) {
            assert.notEqual(run.code, 0, run.output);
            assert.match(run.output, /the volume has \d+ bytes free, and \d+ are needed/);
        }
        // The full volume stops the broker, which returns by itself.
        await inMachine("rm /mosquitto/data/filler");
        await until("the broker is back", () =>
            holds("second").then(
                () => true,
                () => false,
            ),
        );
    });

    it("returns to the old data if the broker does not run on the new", async () => {
        const made = path.join(project.dir, "without-topics.backup");
        writeWithoutTopics(file(), made);
        const run = await restore(made);
        assert.notEqual(run.code, 0, run.output);
        assert.match(run.output, /The restore failed, and the old data is in force again: /);
        // Either the trial before the start or the machine may notice first.
        assert.match(run.output, /the broker cannot read it|does not run with it/);
        await holds("second");
        // Nothing of the broker's own data was put aside.
        await nothingBeside();
    });

    /** Runs a command of the project until the machine is at a given point, then kills its process group. */
    async function killedAt(command: string, args: string[], test: string[]): Promise<void> {
        const { run, ended } = await runUntil(project.dir, container, command, args, test);
        killTree(run.pid!);
        await ended;
        assert.equal(run.signalCode, "SIGKILL");
    }

    interface Lease {
        nonce: string;
        expires_at: number;
    }

    const leaseRoute = () => `/apps/${outputs.appName}/machines/${outputs.machineId}/lease`;

    /** @returns the killed command's lease, which ends soon */
    async function leftLease(): Promise<Lease> {
        const answer = await project.fly("GET", leaseRoute());
        assert.equal(answer.status, 200);
        const { data } = (await answer.json()) as { data: Lease };
        assert.ok(data.expires_at - Date.now() / 1000 <= 30, JSON.stringify(data));
        return data;
    }

    /** Replaces the wait for the lease's end, which one test below observes. */
    async function endLease(): Promise<void> {
        const { nonce } = await leftLease();
        const { endpoint, token } = await project.status();
        const headers = { authorization: `Bearer ${token}`, "fly-machine-lease-nonce": nonce };
        const answer = await fetch(`${endpoint}/v1${leaseRoute()}`, { method: "DELETE", headers });
        assert.equal(answer.status, 200);
    }

    const sendsArgs = () => ["--file", file(), "--yes"];

    it("as a backup killed while the broker is stopped costs no connection and no file", async () => {
        const client = await connect(outputs);
        const goOn = await waitsAt(container, "cp", "true");
        const made = `${file()}.killed`;
        await killedAt("backup", ["--file", made], WAITS);
        let acknowledged = false;
        const publishing = client
            .publishAsync("meanwhile", "", { qos: 1 })
            .then(() => (acknowledged = true));
        assert.match(await inMachine("grep ^State /proc/$(cat /run/broker.pid)/status"), /T \(/);
        assert.equal(acknowledged, false);
        await goOn();
        await publishing;
        await client.endAsync();
        assert.equal(existsSync(made), false);
        // The next one waits for the killed one's lease, and removes its leftovers.
        await leftLease();
        const next = await backup(made);
        assert.equal(next.code, 0, next.output);
        await nothingBeside();
        assert.equal(existsSync(`${made}.partial`), false);
    });

    it("as a restore killed during the upload leaves the old data, and the next one works", async () => {
        const goOn = await waitsAt(container, "base64", "true");
        await killedAt("restore", sendsArgs(), WAITS);
        await goOn();
        await endLease();
        await holds("second");
        const next = await restore(file());
        assert.equal(next.code, 0, next.output);
        await holds("first");
        await nothingBeside();
    });

    it("as a restore killed before the restart is undone by the next one", async () => {
        await say("third");
        const goOn = await waitsAt(container, "sync", "[ -d /mosquitto/data/.restore ]");
        await killedAt("restore", sendsArgs(), WAITS);
        await goOn();
        await endLease();
        await holds("third");
        const soon = await restore(file());
        assert.notEqual(soon.code, 0, soon.output);
        assert.match(
            soon.output,
            /another restore is about to restart the machine; .* again in 60 s/,
        );
        await inMachine("touch -d @$(($(date +%s) - 61)) /mosquitto/data/.restore");
        await holds("third");
        const next = await restore(file());
        assert.equal(next.code, 0, next.output);
        await holds("first");
        await nothingBeside();
    });

    it("as a restore killed after the restart has the new data in force, also after an up", async () => {
        await say("fourth");
        await killedAt("restore", sendsArgs(), ["test", "-d", "/mosquitto/data/.restored"]);
        await endLease();
        const up = await project.up();
        assert.equal(up.code, 0, up.output);
        await holds("first");
        assert.match(await inMachine("ls -A /mosquitto/data"), /^\.replaced$/m);
        const preview = await project.pulumi(["preview", "--expect-no-changes"]);
        assert.equal(preview.code, 0, preview.output);
        const next = await restore(file());
        assert.equal(next.code, 0, next.output);
        await holds("first");
        await nothingBeside();
    });

    for (const [command, program, word] of [
        ["backup", "cp", /Cancelled: no backup was made, and nothing is left of it\./],
        ["restore", "base64", /Cancelled: the broker's data is unchanged\./],
    ] as const) {
        it(`as a ${command} stopped by Ctrl-C leaves nothing behind, here or in the machine`, async () => {
            const goOn = await waitsAt(container, program, "true");
            const made = `${file()}.cancelled`;
            const args = command === "backup" ? ["--file", made] : sendsArgs();
            const before = readdirSync(project.dir);
            const held = await runUntil(project.dir, container, command, args, WAITS);
            process.kill(-held.run.pid!, "SIGINT");
            await goOn();
            await held.ended;
            assert.notEqual(held.run.exitCode, 0);
            assert.match(held.output(), word);
            assert.deepEqual(readdirSync(project.dir), before);
            await nothingBeside();
            const lease = await project.fly("GET", leaseRoute());
            assert.equal(lease.status, 404);
            await holds("first");
        });
    }
});
