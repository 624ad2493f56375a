import assert from "node:assert/strict";
import { rmSync } from "node:fs";
import path from "node:path";
import type { BrokerOutputs } from "../../config/outputs.ts";
import { connect } from "../../dev/harness/mqtt.ts";
import { Project } from "../../dev/harness/project.ts";

describe("an image that the registry has lost", function () {
    this.timeout(240_000);
    let project: Project;
    let outputs: BrokerOutputs;

    before(async () => {
        project = await Project.make();
        outputs = await project.deploy();
    });
    after(() => project.remove());

    /** The registry's answer for the stack's image. */
    async function status(): Promise<number> {
        const { registry, token } = await project.status();
        const { appName, imageDigest } = await project.outputs();
        const answer = await fetch(`http://${registry}/v2/${appName}/manifests/${imageDigest}`, {
            method: "HEAD",
            headers: {
                authorization: `Basic ${Buffer.from(`x:${token}`).toString("base64")}`,
                accept: "application/vnd.docker.distribution.manifest.v2+json",
            },
        });
        return answer.status;
    }

    for (const args of [["--refresh"], []]) {
        it(["is pushed again by up", ...args].join(" "), async () => {
            assert.equal(await status(), 200);
            const store = path.join(project.dir, ".local", "fly", "registry", "docker");
            rmSync(store, { recursive: true });
            assert.equal(await status(), 404);
            const run = await project.pulumi(["up", "--yes", "--skip-preview", ...args]);
            assert.equal(run.code, 0, run.output);
            assert.equal(await status(), 200);
            const preview = await project.pulumi(["preview", "--expect-no-changes"]);
            assert.equal(preview.code, 0, preview.output);
            const now = await project.outputs();
            assert.equal(now.machineId, outputs.machineId);
            await (await connect(now)).endAsync();
        });
    }
});
