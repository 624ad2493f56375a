import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { setTimeout as sleep } from "node:timers/promises";
import { connect } from "../../dev/harness/mqtt.ts";
import { killTree } from "../support/processTree.ts";
import { Project, type Status } from "../../dev/harness/project.ts";

interface Entry {
    method: string;
    path: string;
    status: number;
}

/** Killed without a chance to clean up: neither state nor lock tell what exists at Fly. */
describe("a killed first npm run local", function () {
    this.timeout(180_000);
    let project: Project;

    before(async () => {
        project = await Project.make();
    });
    after(async () => {
        await project.remove();
    });

    it("is completed by the next one, with one app, one volume and one machine", async () => {
        const before = await killWhen(
            ({ method, path, status }) =>
                method === "POST" && /^\/v1\/apps\/[^/]+\/machines$/.test(path) && status === 200,
        );
        assert.deepEqual(
            before.apps.map(({ machines, volumes }) => [machines.length, volumes.length]),
            [[1, 1]],
        );
        // Reads the file: a command of the project would clean up before the next run can.
        const state = JSON.parse(
            project.read(".local/pulumi/.pulumi/stacks/appkata-mqtt/dev.json"),
        ) as { checkpoint: { latest: { resources: { type: string }[] } } };
        const types = state.checkpoint.latest.resources.map(({ type }) => type);
        assert.ok(types.includes("pulumi-nodejs:dynamic/fly:Volume"), types.join("\n"));
        assert.ok(!types.includes("pulumi-nodejs:dynamic/fly:Machine"), types.join("\n"));

        const outputs = await project.deploy();
        const { apps } = await project.status();
        assert.deepEqual(
            apps.map(({ name, machines, volumes }) => ({
                name,
                machines: machines.map(({ id, state }) => `${id} ${state}`),
                volumes: volumes.map(({ id }) => id),
            })),
            [
                {
                    name: before.apps[0]!.name,
                    machines: [`${outputs.machineId} started`],
                    volumes: [outputs.volumeId],
                },
            ],
        );
        assert.equal(outputs.appName, before.apps[0]!.name);
        assert.equal(outputs.volumeId, before.apps[0]!.volumes[0]!.id);
        await (await connect(outputs)).endAsync();
    });

    it("leaves nothing to do after that", async () => {
        const preview = await project.pulumi(["preview", "--expect-no-changes"]);
        assert.equal(preview.code, 0, preview.output);
        // Only `up` warns of interrupted operations; a preview does not.
        const up = await project.up();
        assert.equal(up.code, 0, up.output);
        assert.doesNotMatch(up.output, /pending operation|interrupted/);
    });

    /** Runs `npm run local` until the local Fly has served a given request, and kills its process group. */
    async function killWhen(served: (entry: Entry) => boolean): Promise<Status> {
        const run = spawn("npm", ["run", "--silent", "local"], {
            cwd: project.dir,
            stdio: ["ignore", "pipe", "pipe"],
        });
        let output = "";
        run.stdout.setEncoding("utf8").on("data", (text: string) => (output += text));
        run.stderr.setEncoding("utf8").on("data", (text: string) => (output += text));
        let ended = false;
        const end = new Promise<void>((resolve) => run.on("exit", () => resolve()));
        void end.then(() => (ended = true));
        const goesOn = () => assert.ok(!ended, `it ended by itself:\n${output}`);
        try {
            while (!output.includes("Local Fly:")) {
                goesOn();
                await sleep(50);
            }
            const { endpoint, token } = await project.status();
            const journal = async () => {
                const authorization = `Bearer ${token}`;
                const answer = await fetch(`${endpoint}/_local/journal`, {
                    headers: { authorization },
                });
                return ((await answer.json()) as { entries: Entry[] }).entries;
            };
            while (!(await journal()).some(served)) {
                goesOn();
                await sleep(20);
            }
        } finally {
            if (!ended) killTree(run.pid!);
        }
        await end;
        assert.equal(run.signalCode, "SIGKILL", output);
        return project.status();
    }
});
