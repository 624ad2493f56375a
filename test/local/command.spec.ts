import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import type { LocalFly } from "../../dev/fly/index.ts";
import { isAlive, noteOf } from "../../dev/fly/processes.ts";
import type { ProcessNote } from "../../dev/fly/processes.ts";
import { Api } from "../../dev/harness/api.ts";
import type { MachineView } from "../../dev/harness/api.ts";
import { docker, pushImage } from "../../dev/harness/image.ts";
import { freePorts } from "../../dev/harness/freePorts.ts";
import { until } from "../../dev/harness/until.ts";

const run = promisify(execFile);

interface Status {
    running: boolean;
    endpoint: string;
    registry: string;
    token: string;
    pid: number;
    dir: string;
    publicCaFile: string;
    apps: {
        name: string;
        hostname: string;
        organization: string;
        addresses: { ip: string; type: string }[];
        machines: { id: string; state: string; container: string; image: string }[];
        volumes: { id: string }[];
    }[];
}

describe("local Fly: the command", function () {
    this.timeout(60_000);
    let dir: string;

    const command = (name: string, more: string[] = [], env: NodeJS.ProcessEnv = {}) =>
        run(
            process.execPath,
            ["dev/fly/main.ts", name, "--dir", dir, "--port", "0", "--registry-port", "0", ...more],
            { env: { ...process.env, ...env } },
        );
    const status = async () => JSON.parse((await command("status")).stdout) as Status;
    const api = async () => {
        const seen = await status();
        return new Api({ ...seen, registryPid: undefined, close: () => Promise.resolve() });
    };
    const asFly = (one: Api): LocalFly => one.fly;
    const note = (file: string) => JSON.parse(readFileSync(join(dir, file), "utf8")) as ProcessNote;
    const containers = async () =>
        (await docker.listContainers({ all: true }))
            .filter((one) => one.Names.some((name) => name.startsWith("/fly-cli-")))
            .map((one) => one.State);

    beforeEach(() => {
        dir = mkdtempSync(join(tmpdir(), "local-fly-cli-"));
    });
    afterEach(async () => {
        await command("reset");
        rmSync(dir, { recursive: true, force: true });
        assert.deepEqual(await containers(), []);
    });

    it("starts in the background, once, and prints its address", async () => {
        const { stdout } = await command("start");
        const first = await status();
        assert.ok(stdout.includes(first.endpoint) && stdout.includes(first.registry));
        assert.ok(!stdout.includes(first.token));
        assert.equal(first.running, true);
        assert.deepEqual(first.apps, []);
        await command("start");
        assert.equal((await status()).pid, first.pid, "a second start changes nothing");
        const answer = await fetch(`${first.endpoint}/v1/platform/regions`);
        assert.equal(answer.status, 200);
    });

    it("stops server, registry and machines, and starts them again", async () => {
        await command("start");
        let client = await api();
        await client.app("cli");
        const image = await pushImage(asFly(client), "cli");
        const { id: volume } = await client.ok<{ id: string }>("POST", "/apps/cli/volumes", {
            name: "data",
            region: "lhr",
            size_gb: 1,
        });
        const machine = await client.start("cli", { image, mounts: [{ volume, path: "/data" }] });
        await client.shell("cli", machine.id, "echo kept > /data/file");
        const [app] = (await status()).apps;
        assert.equal(app?.hostname, "cli.fly.dev");
        assert.equal(app?.organization, "local");
        assert.equal(app?.machines[0]?.container, `fly-cli-${machine.id}`);
        assert.equal(app?.machines[0]?.image, image);
        assert.equal(app?.volumes[0]?.id, volume);
        const server = note("server.json");
        const registry = note("registry.pid");
        assert.ok(isAlive(server) && isAlive(registry));

        await command("stop");
        assert.ok(!isAlive(server) && !isAlive(registry));
        assert.deepEqual(await containers(), ["exited"]);
        const stopped = await status();
        assert.equal(stopped.running, false);
        assert.equal(stopped.apps[0]?.machines[0]?.state, "started", "it is to run again");

        await command("start");
        client = await api();
        await client.wait("cli", machine.id, "started");
        assert.equal(await client.shell("cli", machine.id, "cat /data/file"), "kept");
        const again = await client.machine("cli", machine.id);
        assert.equal(again.instance_id, machine.instance_id);
        // The image keeps its name, although the registry's port has changed.
        await client.ok("POST", `/apps/cli/machines/${machine.id}`, { config: again.config });

        await command("reset");
        assert.deepEqual(await containers(), []);
        const { Volumes } = await docker.listVolumes();
        assert.ok(!(Volumes ?? []).some((one) => one.Name.includes(volume)));
        const names = (await docker.listImages()).flatMap((one) => one.RepoTags ?? []);
        assert.ok(!names.some((name) => name.startsWith(asFly(client).registry)));
        assert.equal(existsSync(dir), false);
    });

    it("finds its machines again after the server was killed", async () => {
        await command("start");
        let client = await api();
        await client.app("cli");
        const image = await pushImage(asFly(client), "cli");
        const config = { image, restart: { policy: "no" } };
        const survivor = await client.start("cli", config);
        const victim = await client.start("cli", config);
        const registry = note("registry.pid");
        process.kill((await status()).pid, "SIGKILL");
        await until("the registry ends with the server", () => !isAlive(registry));
        await docker.getContainer(`fly-cli-${victim.id}`).kill({ signal: "SIGKILL" });
        const before = (await docker.getContainer(`fly-cli-${survivor.id}`).inspect()).Id;

        await command("start");
        client = await api();
        const found = await client.machine("cli", survivor.id);
        assert.equal(found.state, "started");
        const after = (await docker.getContainer(`fly-cli-${survivor.id}`).inspect()).Id;
        assert.equal(after, before, "it was left alone");
        const dead: MachineView = await client.machine("cli", victim.id);
        assert.equal(dead.state, "stopped");
        assert.equal(dead.events[0]?.request?.exit_event?.exit_code, 137);
        assert.equal(dead.events[0]?.request?.exit_event?.requested_stop, false);
    });

    it("removes what a killed server left behind", async () => {
        await command("start");
        const client = await api();
        await client.app("cli");
        const image = await pushImage(asFly(client), "cli");
        await client.start("cli", { image });
        process.kill((await status()).pid, "SIGKILL");
        await command("reset");
        assert.deepEqual(await containers(), []);
        assert.equal(existsSync(dir), false);
    });

    it("leaves other files in the directory alone", async () => {
        await command("start");
        const other = join(dir, "notes.txt");
        await run("touch", [other]);
        await command("reset");
        assert.ok(existsSync(other));
        assert.equal(existsSync(join(dir, "state.json")), false);
    });

    it("says which port is taken", async () => {
        const blocker = createServer();
        await new Promise<void>((resolve) => blocker.listen(0, "127.0.0.1", resolve));
        const { port } = blocker.address() as AddressInfo;
        await assert.rejects(command("start", ["--port", String(port)]), (error: unknown) => {
            const { stderr } = error as { stderr: string };
            assert.match(stderr, new RegExp(`port ${port} for the Machines API is taken`));
            return true;
        });
        await new Promise((resolve) => blocker.close(resolve));
        assert.equal((await status()).running, false);
    });

    it("reports that Docker does not answer, or that the registry is missing", async () => {
        const nowhere = { DOCKER_HOST: "unix:///nonexistent/docker.sock" };
        await assert.rejects(command("start", [], nowhere), /Docker does not answer/);
        const bin = mkdtempSync(join(tmpdir(), "local-fly-bin-"));
        symlinkSync("/bin/sh", join(bin, "sh"));
        await assert.rejects(command("start", [], { PATH: bin }), /registry .* did not start/);
        rmSync(bin, { recursive: true });
    });

    it("uses less than 150 MB with one app, including its registry", async function () {
        if (process.platform !== "linux") this.skip();
        await command("start");
        const client = await api();
        await client.app("cli");
        const image = await pushImage(asFly(client), "cli");
        const machine = await client.start("cli", { image });
        await client.shell("cli", machine.id, "true");
        const pids = [note("server.json").pid, note("registry.pid").pid];
        const kib = pids.map((pid) =>
            Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]),
        );
        const total = kib.reduce((sum, one) => sum + one, 0) / 1000;
        assert.ok(total < 150, `${kib.join(" + ")} kB`);
    });

    it("stops a server whose files were deleted, with its machines, and says so", async () => {
        const { stdout } = await command("start");
        const { pid, endpoint } = await status();
        const client = await api();
        await client.app("cli");
        await client.start("cli", { image: await pushImage(asFly(client), "cli") });
        rmSync(dir, { recursive: true, force: true });
        assert.equal((await status()).running, true);
        assert.equal((await status()).pid, pid);
        const ports = [endpoint, `http://${/registry (\S+)/.exec(stdout)![1]!}`].map(
            (url) => new URL(url).port,
        );
        const again = await run(process.execPath, [
            ...["dev/fly/main.ts", "start", "--dir", dir],
            ...["--port", ports[0]!, "--registry-port", ports[1]!],
        ]);
        assert.match(again.stderr, /the files of a local Fly in .* were deleted while it ran/);
        const now = await status();
        assert.notEqual(now.pid, pid);
        assert.deepEqual(now.apps, []);
        assert.deepEqual(await containers(), []);
    });

    it("starts one server for two concurrent starts", async () => {
        const [port, registry] = await freePorts(2);
        const start = () =>
            run(process.execPath, [
                ...["dev/fly/main.ts", "start", "--dir", dir],
                ...["--port", String(port), "--registry-port", String(registry)],
            ]);
        const [one, other] = await Promise.all([start(), start()]);
        assert.equal(one.stdout, other.stdout);
        assert.equal((await status()).running, true);
    });

    it("removes them on a reset too", async () => {
        await command("start");
        const client = await api();
        await client.app("cli");
        await client.start("cli", { image: await pushImage(asFly(client), "cli") });
        const { pid } = await status();
        rmSync(dir, { recursive: true, force: true });
        await command("reset");
        assert.deepEqual(await containers(), []);
        assert.equal(noteOf(pid), undefined);
    });

    it("serves in the foreground until it is stopped", async () => {
        const child = spawn(
            process.execPath,
            ["dev/fly/main.ts", "start", "--foreground", "--dir", dir, "--port", "0"].concat([
                "--registry-port",
                "0",
            ]),
            { stdio: ["ignore", "pipe", "inherit"] },
        );
        const line = await new Promise<string>((resolve) => {
            child.stdout.once("data", (chunk: Buffer) => resolve(chunk.toString()));
        });
        assert.match(line, /Machines API http:\/\/127\.0\.0\.1:\d+, registry 127\.0\.0\.1:\d+/);
        const ended = new Promise((resolve) => child.once("exit", resolve));
        child.kill("SIGTERM");
        assert.equal(await ended, 0);
        assert.equal((await status()).running, false);
    });

    it("explains itself", async () => {
        assert.match((await run(process.execPath, ["dev/fly/main.ts", "--help"])).stdout, /reset/);
        await assert.rejects(command("dance"), /unknown command dance/);
        await assert.rejects(command("start", ["--port", "many"]), /--port must be a port/);
    });
});
