import assert from "node:assert/strict";
import { ensureDocker } from "../../dev/toolchain/docker.ts";

describe("a configured Docker daemon that does not answer", function () {
    this.timeout(30_000);
    const before = { ...process.env };
    afterEach(() => {
        for (const key of ["DOCKER_HOST", "DOCKER_CONTEXT"]) {
            if (before[key] === undefined) delete process.env[key];
            else process.env[key] = before[key];
        }
    });

    it("of an unknown context is reported at once", async () => {
        delete process.env.DOCKER_HOST;
        process.env.DOCKER_CONTEXT = "none-of-this-name";
        const started = Date.now();
        await assert.rejects(
            ensureDocker(),
            /^Error: context "none-of-this-name": context not found: /,
        );
        assert.ok(Date.now() - started < 1000);
    });

    it("of DOCKER_HOST is reported in Docker's words, and no other is started", async () => {
        process.env.DOCKER_HOST = "unix:///nowhere/docker.sock";
        await assert.rejects(
            ensureDocker(),
            /^Error: Docker doesn't answer \(DOCKER_HOST is unix:\/\/\/nowhere\/docker\.sock\): start it\.\n.*Cannot connect to the Docker daemon/s,
        );
    });
});
