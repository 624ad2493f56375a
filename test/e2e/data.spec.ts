import assert from "node:assert/strict";
import { collect, connect } from "../../dev/harness/mqtt.ts";
import type { BrokerOutputs } from "../../config/outputs.ts";
import { Project, type Status } from "../../dev/harness/project.ts";

/** The broker's data goes where the settings say: to another region, past a destroy, or nowhere. */
describe("a deployed broker's data", function () {
    this.timeout(240_000);
    let project: Project;
    let first: BrokerOutputs;

    before(async () => {
        project = await Project.make();
        first = await project.deploy();
        const client = await connect(first);
        await client.publishAsync("kept", "since the first day", { qos: 1, retain: true });
        await client.endAsync();
    });
    after(async () => {
        await project.remove();
    });

    /** Fly shows a deleted volume for a day. */
    function live(volumes: Status["apps"][number]["volumes"]): string[] {
        return volumes.filter(({ state }) => state === "created").map(({ id }) => id);
    }

    async function holds(outputs: BrokerOutputs): Promise<void> {
        const client = await connect(outputs);
        const retained = collect(client, 1);
        await client.subscribeAsync("kept", { qos: 1 });
        assert.deepEqual(await retained, ["kept since the first day"]);
        await client.endAsync();
    }

    it("is not left behind: a move to another region without a word about it is refused", async () => {
        project.configure({ region: "ams" });
        const preview = await project.pulumi(["preview"]);
        assert.notEqual(preview.code, 0);
        assert.match(
            preview.output,
            /region "lhr" → "ams" replaces the volume: set `appkata-mqtt:volumeReplacement`/,
        );
        const up = await project.up();
        assert.notEqual(up.code, 0);
        await holds(first);
    });

    it("moves along if the settings say so", async () => {
        project.configure({ region: "ams", volumeReplacement: "restore" });
        const up = await project.up();
        assert.equal(up.code, 0, up.output);
        const outputs = await project.outputs();
        assert.notEqual(outputs.volumeId, first.volumeId);
        assert.equal(outputs.address, first.address);
        await holds(outputs);
        const { apps } = await project.status();
        assert.deepEqual(
            apps.map(({ machines, volumes }) => [machines.map(({ id }) => id), live(volumes)]),
            [[[outputs.machineId], [outputs.volumeId]]],
        );
        const again = await project.pulumi(["preview", "--expect-no-changes"]);
        assert.equal(again.code, 0, again.output);
    });

    it("stays on Fly after a destroy that keeps it, and an import takes it up again", async () => {
        const { appName, volumeId, machineId } = await project.outputs();
        project.configure({ retainVolume: true });
        for (const run of [await project.up(), await project.pulumi(["destroy", "--yes"])]) {
            assert.equal(run.code, 0, run.output);
        }
        const [left, ...others] = (await project.status()).apps;
        assert.deepEqual(others, []);
        assert.equal(left?.name, appName);
        assert.deepEqual(left.machines, []);
        assert.deepEqual(left.addresses, []);
        assert.deepEqual(live(left.volumes), [volumeId]);

        // Without the import none of it is touched.
        project.configure({ appName, retainVolume: false });
        const refused = await project.up();
        assert.notEqual(refused.code, 0);
        assert.match(refused.output, new RegExp(`it holds volume ${volumeId}`));
        const command = /`pulumi (config set .*?)`/.exec(refused.output)![1]!;
        assert.match(command, /--path 'appkata-mqtt:import\.app'/);

        project.configure({ import: { app: appName, volume: volumeId } });
        const up = await project.up();
        assert.equal(up.code, 0, up.output);
        const outputs = await project.outputs();
        assert.equal(outputs.volumeId, volumeId);
        assert.notEqual(outputs.machineId, machineId);
        await holds(outputs);
        project.configure({ import: undefined });
        const again = await project.pulumi(["preview", "--expect-no-changes"]);
        assert.equal(again.code, 0, again.output);
    });
});
