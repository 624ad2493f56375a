// core
import assert from "node:assert/strict";
import { connect } from "../support/mqtt.ts";
import { Project, type Outputs } from "../support/project.ts";

/** An up that has nothing to do, and no refresh that would show it anything. */
describe("an up that ends green", function () {
    this.timeout(240_000);
    let project: Project;
    let outputs: Outputs;

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

    it("leaves none destroyed", async () => {
        const { machineId } = outputs;
        await byHand("DELETE", `${machineId}?force=true`);
        await failsWith(
            new RegExp(`machine ${machineId} .* is gone: \`pulumi up --refresh\` makes`),
        );
        await isMended();
        assert.notEqual(outputs.machineId, machineId);
    });
});
