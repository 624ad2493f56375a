// core
import assert from "node:assert/strict";
import { once } from "node:events";
import { rmSync } from "node:fs";
import { createServer } from "node:net";
import path from "node:path";
import { until } from "../../dev/harness/until.ts";
import { connect } from "../../dev/harness/mqtt.ts";
import type { BrokerOutputs } from "../../config/outputs.ts";
import { Project } from "../../dev/harness/project.ts";

/** An up with nothing to change, without a refresh that would show the problem. */
describe("a successful up", function () {
    this.timeout(240_000);
    let project: Project;
    let outputs: BrokerOutputs;

    before(async () => {
        project = await Project.make();
        outputs = await project.deploy();
    });
    after(async () => {
        await project.remove();
    });

    async function byHand(method: string, route: string): Promise<void> {
        const answer = await project.fly(method, `/apps/${outputs.appName}/machines/${route}`);
        assert.ok(answer.ok, `${method} ${route}: ${answer.status} ${await answer.text()}`);
    }

    async function failsWith(expected: RegExp): Promise<void> {
        for (const run of [await project.up(), await project.npm("verify")]) {
            assert.notEqual(run.code, 0, run.output);
            assert.match(run.output, expected);
        }
        const preview = await project.pulumi(["preview"]);
        assert.equal(preview.code, 0, preview.output);
    }

    async function isMended(): Promise<void> {
        const mended = await project.pulumi(["up", "--yes", "--skip-preview", "--refresh"]);
        assert.equal(mended.code, 0, mended.output);
        outputs = await project.outputs();
        await (await connect(outputs)).endAsync();
        const again = await project.up();
        assert.equal(again.code, 0, again.output);
    }

    it("leaves no machine stopped", async () => {
        const { machineId } = outputs;
        await byHand("POST", `${machineId}/stop`);
        await failsWith(
            new RegExp(`machine ${machineId} .* is "stop.* \`pulumi up --refresh\` starts it`),
        );
        await isMended();
    });

    it("leaves no machine destroyed", async () => {
        const { machineId } = outputs;
        await byHand("DELETE", `${machineId}?force=true`);
        await failsWith(
            new RegExp(`machine ${machineId} .* is gone: \`pulumi up --refresh\` makes`),
        );
        await isMended();
        assert.notEqual(outputs.machineId, machineId);
    });

    interface Machine {
        id: string;
        region: string;
        config: { guest: object; metadata: object; mounts: Mount[] };
    }
    interface Mount {
        name: string;
        path: string;
        size_gb: number;
    }

    async function json<T>(method: string, route: string, body?: unknown): Promise<T> {
        const answer = await project.fly(method, `/apps/${outputs.appName}${route}`, body);
        assert.ok(answer.ok, `${method} ${route}: ${answer.status}`);
        return (await answer.json()) as T;
    }

    it("leaves a machine alone that was updated by hand to the declared state", async () => {
        const path = `/machines/${outputs.machineId}`;
        const { config } = await json<Machine>("GET", path);
        const metadata = { ...config.metadata, theirs: "1" };
        await json("POST", path, { config: { ...config, metadata } });
        await json("GET", `${path}/wait?state=started`);
        const up = await project.up();
        assert.equal(up.code, 0, up.output);
    });

    it("leaves no machine with another configuration than the declared one", async () => {
        const { machineId } = outputs;
        const path = `/machines/${machineId}`;
        const { config } = await json<Machine>("GET", path);
        const guest = { ...config.guest, memory_mb: 512 };
        await json("POST", path, { config: { ...config, guest } });
        await json("GET", `${path}/wait?state=started`);
        const up = await project.up();
        assert.notEqual(up.code, 0, up.output);
        const told = `machine ${machineId} .* \\(guest\\): \`pulumi up --refresh\` reverts it`;
        assert.match(up.output, new RegExp(told));
        await isMended();
    });

    it("leaves no full volume, and does not wait for a broker that it stopped", async () => {
        const exec = (command: string) =>
            json("POST", `/machines/${outputs.machineId}/exec`, {
                command: ["/bin/sh", "-c", command],
                timeout: 50,
            });
        const filler = "/mosquitto/data/filler";
        await exec(`dd if=/dev/zero of=${filler} bs=1M 2>/dev/null; true`);
        try {
            for (const command of ["up", "verify"] as const) {
                const started = performance.now();
                const run = await (command === "up" ? project.up() : project.npm("verify"));
                assert.notEqual(run.code, 0, run.output);
                assert.match(run.output, /the volume (is full|has \d+ of \d+ MB left)/);
                const seconds = (performance.now() - started) / 1000;
                console.log(`      ${command}: ${seconds.toFixed(1)} s`);
                assert.doesNotMatch(run.output, /waiting for \S+ port/);
            }
        } finally {
            await exec(`rm ${filler}`);
        }
        await until("the broker is back", () =>
            connect(outputs).then(
                (client) => client.endAsync().then(() => true),
                () => false,
            ),
        );
        const up = await project.up();
        assert.equal(up.code, 0, up.output);
    });

    it("leaves no clone that takes half of the clients, nor its volume", async () => {
        const { appName, machineId, volumeId } = outputs;
        const app = `/apps/${appName}`;
        // The request of `fly machine clone`.
        const { config, region } = await json<Machine>("GET", `/machines/${machineId}`);
        const [mount] = config.mounts;
        const volume = await json<{ id: string }>("POST", "/volumes", {
            ...{ name: mount!.name, size_gb: mount!.size_gb, region },
        });
        const clone = await json<Machine>("POST", "/machines", {
            region,
            config: { ...config, mounts: [{ volume: volume.id, path: mount!.path }] },
        });
        const told = new RegExp(
            `machine ${clone.id} .*with volume ${volume.id}[^]*fly machine destroy ${clone.id} -a ${appName}`,
        );
        await failsWith(told);
        const preview = await project.pulumi(["preview"]);
        assert.match(preview.output, told);

        await byHand("DELETE", `${clone.id}?force=true`);
        await project.fly("GET", `${app}/machines/${clone.id}/wait?state=destroyed`);
        await failsWith(
            new RegExp(
                `volume ${volume.id} .* has the same name as ${volumeId}, which the broker uses`,
            ),
        );
        await project.fly("DELETE", `${app}/volumes/${volume.id}`);
        await isMended();
    });

    it("prints on this machine an address that answers, or the program that has its port", async () => {
        const stopped = await project.shell([
            "node",
            "dev/fly/main.ts",
            "stop",
            "--dir",
            ".local/fly",
        ]);
        assert.equal(stopped.code, 0, stopped.output);
        const taken = createServer((socket) => socket.destroy()).listen(
            outputs.port,
            outputs.address,
        );
        await once(taken, "listening");
        try {
            for (const command of ["local", "verify"]) {
                const run = await project.npm(command);
                assert.notEqual(run.code, 0, run.output);
                assert.match(
                    run.output,
                    new RegExp(`port ${outputs.port} of ${outputs.address}: it is taken by node`),
                );
                assert.doesNotMatch(run.output, /Subscribe, in one terminal/);
            }
        } finally {
            await new Promise((resolve) => taken.close(resolve));
        }
        const run = await project.npm("local");
        assert.equal(run.code, 0, run.output);
        await (await connect(outputs)).endAsync();
    });

    it("reports a broker that still runs after its state was deleted", async () => {
        rmSync(path.join(project.dir, ".local", "pulumi"), { recursive: true });
        const run = await project.npm("local");
        assert.equal(run.code, 0, run.output);
        assert.match(
            run.output,
            new RegExp(`also runs ${outputs.appName}, which the state of the stack dev`),
        );
    });
});
