import assert from "node:assert/strict";
import { copyFileSync, readFileSync } from "node:fs";
import path from "node:path";
import { devStackIn } from "../../dev/toolchain/devStack.ts";
import { capture } from "../../lib/process.ts";
import { pulumiCli } from "../../dev/toolchain/pulumi.ts";
import { BASE_IMAGES } from "../../dev/harness/brokerContainer.ts";
import { collect, connect } from "../../dev/harness/mqtt.ts";
import type { BrokerOutputs } from "../../config/outputs.ts";
import { Project, type Run } from "../../dev/harness/project.ts";

const STACK = "other";

/** Uses a stack other than dev: its commands work as the user's own `pulumi` does. */
describe("a backup of Mosquitto 2.0", function () {
    this.timeout(240_000);
    let project: Project;
    let outputs: BrokerOutputs;
    const file = () => path.join(project.dir, "old.backup");

    before(async () => {
        project = await Project.make({ baseImage: BASE_IMAGES["2.0"] });
        await prepare();
        copyFileSync(fileOf("dev"), fileOf(STACK));
        const init = await pulumi(["stack", "init", STACK]);
        assert.equal(init.code, 0, init.output);
        await up();
    });
    after(async () => {
        await project.remove();
    });

    const fileOf = (stack: string) => path.join(project.dir, `Pulumi.${stack}.yaml`);

    /** Endpoint, toolchain and base image that dev names; nothing is deployed in dev. */
    async function prepare(): Promise<void> {
        const run = await project.pulumi(["stack", "ls"]);
        assert.equal(run.code, 0, run.output);
    }

    async function environment(): Promise<NodeJS.ProcessEnv> {
        const { env } = devStackIn(project.dir);
        const PATH = [path.dirname(pulumiCli()), env.PATH].join(path.delimiter);
        return { ...env, PATH, FLY_API_TOKEN: (await project.status()).token };
    }

    async function pulumi(args: string[]): Promise<Run> {
        const all = ["pulumi", ...args, "--non-interactive", "--color", "never"];
        return project.shell(all, await environment());
    }

    async function up(): Promise<void> {
        const run = await pulumi(["up", "--yes", "--skip-preview", "--stack", STACK]);
        assert.equal(run.code, 0, run.output);
        const read = ["stack", "output", "--json", "--show-secrets", "--stack", STACK];
        outputs = JSON.parse((await pulumi(read)).stdout) as BrokerOutputs;
    }

    async function command(name: string, more: string[]): Promise<Run> {
        return project.npm(name, ["--stack", STACK, ...more], await environment());
    }

    async function inMachine(script: string): Promise<string> {
        const { container } = (await project.status()).apps[0]!.machines[0]!;
        const ended = await capture(["docker", "exec", container!, "sh", "-c", script]);
        assert.equal(ended.code, 0, ended.stderr);
        return ended.stdout;
    }

    async function say(topic: string, retain: boolean): Promise<void> {
        const client = await connect(outputs);
        for (const qos of [1, 2] as const) {
            await client.publishAsync(`${topic}/${qos}`, "sent", { qos, retain });
        }
        await client.endAsync();
    }

    /** Messages from before the backup, and none from after it. */
    async function holdsBackup(): Promise<void> {
        const away = await connect(outputs, { clientId: "away", clean: false, manual: true });
        const queued = collect(away, 2);
        away.connect();
        assert.deepEqual((await queued).toSorted(), ["queued/1 sent", "queued/2 sent"]);
        await away.endAsync();
        const client = await connect(outputs);
        const all = collect(client, 3);
        await client.subscribeAsync(["retained/#", "later/#", "end"], { qos: 2 });
        await client.publishAsync("end", "", { qos: 2 });
        assert.deepEqual(await all, ["retained/1 sent", "retained/2 sent", "end "]);
        await client.endAsync();
        const listed = (await inMachine("ls -A /mosquitto/data")).trim().split("\n");
        const others = ["lost+found", ".reserve"];
        assert.deepEqual(
            listed.filter((name) => !others.includes(name)),
            ["mosquitto.db"],
        );
    }

    async function restore(): Promise<void> {
        await say("later", true);
        const run = await command("restore", ["--file", file(), "--yes"]);
        assert.equal(run.code, 0, run.output);
        await holdsBackup();
    }

    it("works if the broker saves twice meanwhile, and is restored", async () => {
        const away = await connect(outputs, { clientId: "away", clean: false });
        await away.subscribeAsync("queued/#", { qos: 2 });
        await away.endAsync();
        await say("queued", false);
        await say("retained", true);
        // A volume reuses the first file's inode number at the second save.
        const twice = 'kill() { command kill "$@"; sleep 1; command kill "$@"; sleep 1; }';
        await inMachine(`echo '${twice}' >>/usr/local/lib/broker-data`);
        const run = await command("backup", ["--file", file()]);
        assert.equal(run.code, 0, run.output);
        assert.match(run.output, /Mosquitto 2\.0\.\d+: \d+ retained messages, \d+ sessions/);
        const [line] = readFileSync(file(), "latin1").split("\n");
        const { series, stack, app } = JSON.parse(line!) as Record<string, string>;
        assert.deepEqual([series, stack, app], ["2.0", STACK, outputs.appName]);
        await restore();
    });

    it("without --stack uses dev, which has no broker here", async () => {
        const run = await project.npm("backup", [], await environment());
        assert.notEqual(run.code, 0);
        assert.match(run.output, /The stack has no broker yet/);
    });

    it("is restored into 2.1 on 2.0's data, whose own backup is of 2.0", async () => {
        for (const stack of ["dev", STACK]) {
            project.edit(path.basename(fileOf(stack)), (text) =>
                text.replace(BASE_IMAGES["2.0"], BASE_IMAGES["2.1"]),
            );
        }
        await prepare();
        await up();
        await restore();
        const made = `${file()}.2`;
        const run = await command("backup", ["--file", made]);
        assert.equal(run.code, 0, run.output);
        assert.match(run.output, /Mosquitto 2\.1\.\d+: \d+ retained messages, \d+ sessions/);
        assert.match(readFileSync(made, "latin1"), /^[^\n]*"series":"2\.0"/);
        const verified = await command("verify", []);
        assert.equal(verified.code, 0, verified.output);
    });
});
