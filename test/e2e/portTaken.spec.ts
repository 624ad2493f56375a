import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:net";
import { connect } from "../../dev/harness/mqtt.ts";
import { freePorts } from "../../dev/harness/freePorts.ts";
import { Project } from "../../dev/harness/project.ts";

describe("a first up on this machine while another program has the port", function () {
    this.timeout(240_000);
    let project: Project;

    after(() => project.remove());

    it("fails at once naming that program, and succeeds once the port is free", async () => {
        const [port] = await freePorts(1);
        project = await Project.make({ port: String(port) });
        const taken = createServer((socket) => socket.destroy()).listen(port, "0.0.0.0");
        await once(taken, "listening");
        try {
            const run = await project.npm("local");
            assert.notEqual(run.code, 0, run.output);
            assert.match(run.output, new RegExp(`port ${port} of 127.*: it is taken by node`));
            // The verification prints every five seconds that it waits.
            assert.doesNotMatch(run.output, /waiting for \S+ port \d+ for 10 s/);
        } finally {
            await new Promise((resolve) => taken.close(resolve));
        }
        await (await connect(await project.deploy())).endAsync();
    });
});
