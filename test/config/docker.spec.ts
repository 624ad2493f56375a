import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import { tmpdir } from "node:os";
import path from "node:path";
import { dockerProblem } from "../../config/docker.ts";
import { dockerEnvironment, dockerHost } from "../../config/dockerHost.ts";

describe("Docker's daemon", () => {
    let home: string;
    let folder: string;
    let socket: string;
    let server: Server;
    let info: object;

    before(async () => {
        home = mkdtempSync(path.join(tmpdir(), "docker-"));
        folder = path.join(home, ".docker");
        socket = path.join(home, "docker.sock");
        for (const [name, host] of [
            ["rootless", `unix://${socket}`],
            ["far", "ssh://me@host"],
            ["safe", "tcp://10.0.0.1:2376"],
        ] as const) {
            const meta = path.join(folder, "contexts/meta", idOf(name));
            mkdirSync(meta, { recursive: true });
            const text = JSON.stringify({ Name: name, Endpoints: { docker: { Host: host } } });
            writeFileSync(path.join(meta, "meta.json"), text);
        }
        mkdirSync(path.join(folder, "contexts/tls", idOf("safe"), "docker"), { recursive: true });
        server = createServer((_request, response) => response.end(JSON.stringify(info)));
        await new Promise<void>((resolve) => server.listen(socket, resolve));
    });
    after(() => {
        server.close();
        rmSync(home, { recursive: true });
    });
    beforeEach(() => {
        current(undefined);
        info = { Arch: "amd64" };
    });

    const idOf = (name: string) => createHash("sha256").update(name).digest("hex");
    const current = (currentContext: unknown) =>
        writeFileSync(path.join(folder, "config.json"), JSON.stringify({ currentContext }));

    it("is the daemon of DOCKER_HOST, DOCKER_CONTEXT or the current context, in this order", () => {
        const hostBy = (env: Record<string, string>) => dockerHost({ HOME: home, ...env }).host;
        assert.equal(hostBy({}), "unix:///var/run/docker.sock");
        current("rootless");
        assert.equal(hostBy({}), `unix://${socket}`);
        assert.equal(hostBy({ HOME: "/", DOCKER_CONFIG: folder }), `unix://${socket}`);
        assert.equal(hostBy({ DOCKER_CONTEXT: "far" }), "ssh://me@host");
        assert.equal(hostBy({ DOCKER_CONTEXT: "default" }), "unix:///var/run/docker.sock");
        assert.equal(hostBy({ DOCKER_CONTEXT: "far", DOCKER_HOST: "tcp://x:1" }), "tcp://x:1");
    });

    it("is passed to programs that know only DOCKER_HOST", () => {
        assert.deepEqual(dockerEnvironment({ HOME: home }), {});
        const safe = dockerEnvironment({ HOME: home, DOCKER_CONTEXT: "safe" });
        assert.deepEqual(safe, {
            DOCKER_HOST: "tcp://10.0.0.1:2376",
            DOCKER_CERT_PATH: path.join(folder, "contexts/tls", idOf("safe"), "docker"),
            DOCKER_TLS_VERIFY: "1",
        });
    });

    it("answers if a context is rootless", async () => {
        current("rootless");
        assert.equal(await dockerProblem({ HOME: home }), undefined);
    });

    it("reports a missing context in Docker's words", async () => {
        current("gone");
        const by = `currentContext in ${folder}/config.json`;
        assert.ok(
            (await dockerProblem({ HOME: home }))!.startsWith(
                `docker: context "gone": context not found: open ${folder}/contexts/meta/${idOf("gone")}/meta.json: ` +
                    `no such file or directory (${by}); \`docker context ls\``,
            ),
        );
        assert.match(
            (await dockerProblem({ HOME: home, DOCKER_CONTEXT: "none" }))!,
            /^docker: context "none": context not found: .*\(DOCKER_CONTEXT\)/,
        );
    });

    it("is reported when it does not answer, with the variable or context that named it", async () => {
        const env = { HOME: home, DOCKER_HOST: `unix://${home}/none.sock` };
        assert.match(
            (await dockerProblem(env))!,
            /^docker: the daemon doesn't answer at unix:\S+ \(DOCKER_HOST is unix:\S+\): .*ENOENT.*; start Docker/,
        );
    });

    it("needs emulation on another processor, and the error names the command", async function () {
        if (process.platform !== "linux") this.skip();
        info = { Arch: "arm64", Platform: { Name: "Docker Engine - Community" } };
        const env = { HOME: home, DOCKER_CONTEXT: "rootless" };
        assert.match(
            (await dockerProblem(env, path.join(home, "none")))!,
            /^docker: the daemon at \S+ \(context "rootless" .*\) runs on arm64, .* amd64.*`docker run --privileged --rm tonistiigi\/binfmt --install amd64` adds that$/,
        );
        assert.equal(await dockerProblem(env, path.join(folder, "config.json")), undefined);
        info = { Arch: "arm64", Platform: { Name: "Docker Desktop 4.40 (187762)" } };
        assert.equal(await dockerProblem(env, path.join(home, "none")), undefined);
    });
});
