import assert from "node:assert/strict";
import { statSync } from "node:fs";
import path from "node:path";
import type { MqttClient } from "mqtt";
import { collect, connect } from "../../dev/harness/mqtt.ts";
import type { BrokerOutputs } from "../../config/outputs.ts";
import { Project } from "../../dev/harness/project.ts";

const QUEUED = 40;

/** Restores a broker's backup into a new app, with a new machine and volume. */
describe("a backup", function () {
    this.timeout(240_000);
    let project: Project;
    let first: BrokerOutputs;
    let second: BrokerOutputs;
    const file = () => path.join(project.dir, "drill.backup");
    const restore = (name: string) => project.npm("restore", ["--file", name, "--yes"]);

    before(async () => {
        project = await Project.make();
        first = await project.deploy();
    });
    after(async () => {
        await project.remove();
    });

    async function leaveMessages(outputs: BrokerOutputs): Promise<void> {
        const absent = await connect(outputs, { clientId: "absent", clean: false });
        await absent.subscribeAsync("queued/#", { qos: 2 });
        await absent.endAsync();
        const sender = await connect(outputs);
        await sender.publishAsync("retained", "kept", { qos: 1, retain: true });
        for (let i = 0; i < QUEUED; i++) {
            await sender.publishAsync(`queued/${i}`, "waiting", { qos: i % 2 === 0 ? 1 : 2 });
        }
        await sender.endAsync();
    }

    /**
     * Publishes retained messages one after another until told to stop: below `load` until told otherwise.
     * A subscriber's queue is limited, so the messages that count as proof stay few.
     */
    function load(client: MqttClient): {
        turn: () => number;
        acknowledged: () => number;
        end: () => Promise<void>;
    } {
        let count = 0;
        let running = true;
        let below = "load";
        const publishing = (async () => {
            while (running) {
                await client.publishAsync(`${below}/${count}`, "x".repeat(500), {
                    qos: 1,
                    retain: true,
                });
                count++;
            }
        })();
        return {
            acknowledged: () => count,
            /** @returns how many below `load` were acknowledged; one more may be in flight */
            turn() {
                below = "meanwhile";
                return count;
            },
            async end() {
                running = false;
                await publishing;
                await client.endAsync();
            },
        };
    }

    async function retained(
        outputs: BrokerOutputs,
        filter: string,
        count: number,
    ): Promise<string[]> {
        const client = await connect(outputs);
        const messages = collect(client, count);
        await client.subscribeAsync(filter, { qos: 1 });
        const seen = await messages;
        await client.endAsync();
        return seen;
    }

    let acknowledgedBefore = 0;

    it("is taken while clients publish, none of whom is disconnected", async () => {
        await leaveMessages(first);
        const client = await connect(first);
        let closed = false;
        client.on("close", () => (closed = true));
        const publishing = load(client);
        while (publishing.acknowledged() < 200) await new Promise(setImmediate);
        acknowledgedBefore = publishing.turn();
        const run = await project.npm("backup", ["--file", file()]);
        assert.equal(closed, false);
        assert.ok(
            publishing.acknowledged() > acknowledgedBefore,
            "nothing was published meanwhile",
        );
        await publishing.end();
        assert.equal(run.code, 0, run.output);
        assert.equal(run.stdout, `${file()}\n`);
        assert.match(run.output, /Mosquitto 2\.1\.\d+: \d+ retained messages, \d+ sessions/);
        assert.equal(statSync(file()).mode & 0o777, 0o600);
        const again = await project.npm("backup", ["--file", file()]);
        assert.notEqual(again.code, 0);
        assert.match(again.output, /already exists/);
    });

    it("is restored into a new app, with every acknowledged message", async () => {
        const destroyed = await project.pulumi(["destroy", "--yes"]);
        assert.equal(destroyed.code, 0, destroyed.output);
        assert.deepEqual((await project.status()).apps, []);
        project.configure({ appName: "appkata-drill" });
        const up = await project.up();
        assert.equal(up.code, 0, up.output);
        second = await project.outputs();
        assert.notEqual(second.appName, first.appName);
        const other = await connect(second);
        await other.publishAsync("of/the/new", "gone", { qos: 1, retain: true });
        await other.endAsync();

        const refused = await project.npm("restore", ["--file", file()]);
        assert.notEqual(refused.code, 0);
        assert.match(refused.output, /add --yes/);
        const run = await restore(file());
        assert.equal(run.code, 0, run.output);
        assert.match(run.output, /runs with the backup's data/);
    });

    /** Uses clients of the new stack, with its users and certificate. */
    async function holdsBackup(): Promise<void> {
        const back = await connect(second, { clientId: "absent", clean: false, manual: true });
        const messages = collect(back, QUEUED);
        back.connect();
        const queued = await messages;
        const sorted = (list: string[]) => [...list].sort();
        assert.deepEqual(
            sorted(queued),
            sorted(Array.from({ length: QUEUED }, (_, i) => `queued/${i} waiting`)),
        );
        await back.endAsync();
    }

    /** Other messages were acknowledged during the backup, and may be in it. */
    async function holdsRetained(): Promise<void> {
        const client = await connect(second);
        const missing = new Set(Array.from({ length: acknowledgedBefore }, (_, i) => `load/${i}`));
        const complete = new Promise<void>((resolve) => {
            client.on("message", (topic) => {
                missing.delete(topic);
                if (missing.size === 0) resolve();
            });
        });
        await client.subscribeAsync("load/#", { qos: 1 });
        const late = AbortSignal.timeout(10_000);
        const gaveUp = new Promise<void>((resolve) =>
            late.addEventListener("abort", () => resolve()),
        );
        await Promise.race([complete, gaveUp]);
        await client.endAsync();
        assert.deepEqual([...missing], []);
        assert.deepEqual(await retained(second, "retained", 1), ["retained kept"]);
    }

    it("has a session's queued messages of both kinds and the retained ones, and no others", async () => {
        await holdsBackup();
        await holdsRetained();
        const client = await connect(second);
        const topics: string[] = [];
        client.on("message", (topic) => topics.push(topic));
        await client.subscribeAsync(["of/#", "retained"], { qos: 1 });
        // Arrives after everything that a subscription delivers.
        const marked = collect(client, 2);
        await client.publishAsync("of/last", "", { qos: 1 });
        await marked;
        await client.endAsync();
        assert.deepEqual(topics.sort(), ["of/last", "retained"]);
        const verified = await project.npm("verify");
        assert.equal(verified.code, 0, verified.output);
        const preview = await project.pulumi(["preview", "--expect-no-changes"]);
        assert.equal(preview.code, 0, preview.output);
    });

    it("leaves only the broker's data on the volume", async () => {
        const listed = await exec(["ls", "-A", "/mosquitto/data"]);
        const others = ["", "lost+found", ".reserve"];
        const names = listed.split("\n").filter((name) => !others.includes(name));
        assert.deepEqual(
            names.filter((name) => !/^(mosquitto\.sqlite3|\.reserve$)/.test(name)),
            [],
        );
    });

    async function exec(command: string[]): Promise<string> {
        const route = `/apps/${second.appName}/machines/${second.machineId}/exec`;
        for (;;) {
            const response = await project.fly("POST", route, { command });
            if (response.status === 429) {
                await response.text();
                await new Promise((resolve) => setTimeout(resolve, 1000));
                continue;
            }
            assert.equal(response.status, 200);
            return ((await response.json()) as { stdout: string }).stdout;
        }
    }

    it("can be a Fly snapshot: the settings take its ID", async () => {
        const run = await project.npm("backup", ["--snapshot"]);
        assert.equal(run.code, 0, run.output);
        const id = run.stdout.trim();
        assert.match(id, /^vs_\w+$/);
        assert.match(run.output, new RegExp(`appkata-mqtt:volumeSnapshot: ${id}`));
        project.configure({
            appName: "appkata-from-snapshot",
            volumeSnapshot: id,
            volumeReplacement: "discard",
            clientsShutOut: "allow",
        });
        const up = await project.up();
        assert.equal(up.code, 0, up.output);
        second = await project.outputs();
        assert.equal(second.appName, "appkata-from-snapshot");
        await holdsRetained();
    });
});
