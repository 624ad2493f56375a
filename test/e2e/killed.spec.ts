import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { connect } from "../support/mqtt.ts";
import { Project, type Status } from "../support/project.ts";

interface Entry {
    method: string;
    path: string;
    status: number;
}

/** Killed without a chance to tidy up: neither state nor lock say what Fly already has. */
describe("a first npm run local that is killed", function () {
    this.timeout(180_000);
    let project: Project;

    before(async () => {
        project = await Project.make();
    });
    after(async () => {
        await project.remove();
    });

    it("is taken up by the next one, with one app, one volume and one machine", async () => {
        const before = await killWhen(
            ({ method, path, status }) =>
                method === "POST" && /^\/v1\/apps\/[^/]+\/machines$/.test(path) && status === 200,
        );
        assert.deepEqual(
            before.apps.map(({ machines, volumes }) => [machines.length, volumes.length]),
            [[1, 1]],
        );
        // From the file: a command of the project's would tidy up before the next run can.
        const state = JSON.parse(
            project.read(".local/pulumi/.pulumi/stacks/appkata-mqtt/dev.json"),
        ) as { checkpoint: { latest: { resources: { type: string }[] } } };
        const types = state.checkpoint.latest.resources.map(({ type }) => type);
        assert.ok(types.includes("pulumi-nodejs:dynamic/fly:Volume"), types.join("\n"));
        assert.ok(!types.includes("pulumi-nodejs:dynamic/fly:Machine"), types.join("\n"));

        const again = await project.npm("local");
        assert.equal(again.code, 0, again.output);
        const outputs = await project.outputs();
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
        assert.doesNotMatch(preview.output, /pending operation/);
    });

    /** Runs `npm run local` until the local Fly has served such a request, and kills all of it. */
    async function killWhen(served: (entry: Entry) => boolean): Promise<Status> {
        // A process group of its own.
        const run = spawn("npm", ["run", "--silent", "local"], {
            cwd: project.dir,
            detached: true,
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
            while (!output.includes("Fly on this machine:")) {
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
            // Pulumi's plugins have groups of their own, so the group is not all.
            const all = descendants(run.pid!);
            if (!ended) process.kill(-run.pid!, "SIGKILL");
            for (const pid of all) kill(pid);
        }
        await end;
        assert.equal(run.signalCode, "SIGKILL", output);
        return project.status();
    }
});

/** Whatever a process started, and what that started. Daemons have left: init is their parent. */
function descendants(root: number): number[] {
    const parents = new Map<number, number>();
    for (const name of readdirSync("/proc")) {
        if (!/^\d+$/.test(name)) continue;
        try {
            const stat = readFileSync(`/proc/${name}/stat`, "utf8");
            const [, parent] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
            parents.set(Number(name), Number(parent));
        } catch {
            // It has ended meanwhile.
        }
    }
    const found = [root];
    for (const pid of found) {
        for (const [child, parent] of parents) if (parent === pid) found.push(child);
    }
    return found.slice(1);
}

function kill(pid: number): void {
    try {
        process.kill(pid, "SIGKILL");
    } catch {
        // It died with the group.
    }
}
