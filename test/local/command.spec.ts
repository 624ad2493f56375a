import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isAlive, noteOf } from "../../dev/fly/processes.ts";
import type { MachineView } from "../../dev/harness/api.ts";
import { docker, pushImage } from "../../dev/harness/image.ts";
import { freePorts } from "../../dev/harness/freePorts.ts";
import { until } from "../../dev/harness/until.ts";
import { CommandFixture, run } from "./support/commandFixture.ts";

describe("local Fly: the command", function () {
    this.timeout(60_000);
    const on = new CommandFixture();

    it("starts in the background, once, and prints its address", async () => {
        const { stdout } = await on.command("start");
        const first = await on.status();
        assert.ok(stdout.includes(first.endpoint) && stdout.includes(first.registry));
        assert.ok(!stdout.includes(first.token));
        assert.equal(first.running, true);
        assert.deepEqual(first.apps, []);
        await on.command("start");
        assert.equal((await on.status()).pid, first.pid, "a second start changes nothing");
        const answer = await fetch(`${first.endpoint}/v1/platform/regions`);
        assert.equal(answer.status, 200);
    });

    it("stops server, registry and machines, and starts them again", async () => {
        await on.command("start");
        let client = await on.api();
        await client.app("cli");
        const image = await pushImage(client.fly, "cli");
        const { id: volume } = await client.ok<{ id: string }>("POST", "/apps/cli/volumes", {
            name: "data",
            region: "lhr",
            size_gb: 1,
        });
        const machine = await client.start("cli", { image, mounts: [{ volume, path: "/data" }] });
        await client.shell("cli", machine.id, "echo kept > /data/file");
        const [app] = (await on.status()).apps;
        assert.equal(app?.hostname, "cli.fly.dev");
        assert.equal(app?.organization, "local");
        assert.equal(app?.machines[0]?.container, `fly-cli-${machine.id}`);
        assert.equal(app?.machines[0]?.image, image);
        assert.equal(app?.volumes[0]?.id, volume);
        const server = on.note("server.json");
        const registry = on.note("registry.pid");
        assert.ok(isAlive(server) && isAlive(registry));

        await on.command("stop");
        assert.ok(!isAlive(server) && !isAlive(registry));
        assert.deepEqual(await on.containers(), ["exited"]);
        const stopped = await on.status();
        assert.equal(stopped.running, false);
        assert.equal(stopped.apps[0]?.machines[0]?.state, "started", "it is to run again");

        await on.command("start");
        client = await on.api();
        await client.wait("cli", machine.id, "started");
        assert.equal(await client.shell("cli", machine.id, "cat /data/file"), "kept");
        const again = await client.machine("cli", machine.id);
        assert.equal(again.instance_id, machine.instance_id);
        // The image keeps its name, although the registry's port has changed.
        await client.ok("POST", `/apps/cli/machines/${machine.id}`, { config: again.config });

        await on.command("reset");
        assert.deepEqual(await on.containers(), []);
        const { Volumes } = await docker.listVolumes();
        assert.ok(!(Volumes ?? []).some((one) => one.Name.includes(volume)));
        const names = (await docker.listImages()).flatMap((one) => one.RepoTags ?? []);
        assert.ok(!names.some((name) => name.startsWith(client.fly.registry)));
        assert.equal(existsSync(on.dir), false);
    });

    it("finds its machines again after the server was killed", async () => {
        await on.command("start");
        let client = await on.api();
        await client.app("cli");
        const image = await pushImage(client.fly, "cli");
        const config = { image, restart: { policy: "no" } };
        const survivor = await client.start("cli", config);
        const victim = await client.start("cli", config);
        const registry = on.note("registry.pid");
        process.kill((await on.status()).pid, "SIGKILL");
        await until("the registry ends with the server", () => !isAlive(registry));
        await docker.getContainer(`fly-cli-${victim.id}`).kill({ signal: "SIGKILL" });
        const before = (await docker.getContainer(`fly-cli-${survivor.id}`).inspect()).Id;

        await on.command("start");
        client = await on.api();
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
        await on.command("start");
        const client = await on.api();
        await client.app("cli");
        const image = await pushImage(client.fly, "cli");
        await client.start("cli", { image });
        process.kill((await on.status()).pid, "SIGKILL");
        await on.command("reset");
        assert.deepEqual(await on.containers(), []);
        assert.equal(existsSync(on.dir), false);
    });

    it("leaves other files in the directory alone", async () => {
        await on.command("start");
        const other = join(on.dir, "notes.txt");
        await run("touch", [other]);
        await on.command("reset");
        assert.ok(existsSync(other));
        assert.equal(existsSync(join(on.dir, "state.json")), false);
    });

    it("says which port is taken", async () => {
        const blocker = createServer();
        await new Promise<void>((resolve) => blocker.listen(0, "127.0.0.1", resolve));
        const { port } = blocker.address() as AddressInfo;
        await assert.rejects(on.command("start", ["--port", String(port)]), (error: unknown) => {
            const { stderr } = error as { stderr: string };
            assert.match(stderr, new RegExp(`port ${port} for the Machines API is taken`));
            return true;
        });
        await new Promise((resolve) => blocker.close(resolve));
        assert.equal((await on.status()).running, false);
    });

    it("reports that Docker does not answer, or that the registry is missing", async () => {
        const nowhere = { DOCKER_HOST: "unix:///nonexistent/docker.sock" };
        await assert.rejects(on.command("start", [], nowhere), /Docker does not answer/);
        const bin = mkdtempSync(join(tmpdir(), "local-fly-bin-"));
        symlinkSync("/bin/sh", join(bin, "sh"));
        await assert.rejects(on.command("start", [], { PATH: bin }), /registry .* did not start/);
        rmSync(bin, { recursive: true });
    });

    it("uses less than 150 MB with one app, including its registry", async function () {
        if (process.platform !== "linux") this.skip();
        await on.command("start");
        const client = await on.api();
        await client.app("cli");
        const image = await pushImage(client.fly, "cli");
        const machine = await client.start("cli", { image });
        await client.shell("cli", machine.id, "true");
        const pids = [on.note("server.json").pid, on.note("registry.pid").pid];
        const kib = pids.map((pid) =>
            Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]),
        );
        const total = kib.reduce((sum, one) => sum + one, 0) / 1000;
        assert.ok(total < 150, `${kib.join(" + ")} kB`);
    });

    it("stops a server whose files were deleted, with its machines, and says so", async () => {
        const { stdout } = await on.command("start");
        const { pid, endpoint } = await on.status();
        const client = await on.api();
        await client.app("cli");
        await client.start("cli", { image: await pushImage(client.fly, "cli") });
        rmSync(on.dir, { recursive: true, force: true });
        assert.equal((await on.status()).running, true);
        assert.equal((await on.status()).pid, pid);
        const ports = [endpoint, `http://${/registry (\S+)/.exec(stdout)![1]!}`].map(
            (url) => new URL(url).port,
        );
        const again = await run(process.execPath, [
            ...["dev/fly/main.ts", "start", "--dir", on.dir],
            ...["--port", ports[0]!, "--registry-port", ports[1]!],
        ]);
        assert.match(again.stderr, /the files of a local Fly in .* were deleted while it ran/);
        const now = await on.status();
        assert.notEqual(now.pid, pid);
        assert.deepEqual(now.apps, []);
        assert.deepEqual(await on.containers(), []);
    });

    it("starts one server for two concurrent starts", async () => {
        const [port, registry] = await freePorts(2);
        const start = () =>
            run(process.execPath, [
                ...["dev/fly/main.ts", "start", "--dir", on.dir],
                ...["--port", String(port), "--registry-port", String(registry)],
            ]);
        const [one, other] = await Promise.all([start(), start()]);
        assert.equal(one.stdout, other.stdout);
        assert.equal((await on.status()).running, true);
    });

    it("removes them on a reset too", async () => {
        await on.command("start");
        const client = await on.api();
        await client.app("cli");
        await client.start("cli", { image: await pushImage(client.fly, "cli") });
        const { pid } = await on.status();
        rmSync(on.dir, { recursive: true, force: true });
        await on.command("reset");
        assert.deepEqual(await on.containers(), []);
        assert.equal(noteOf(pid), undefined);
    });

    it("serves in the foreground until it is stopped", async () => {
        const child = spawn(
            process.execPath,
            ["dev/fly/main.ts", "start", "--foreground", "--dir", on.dir, "--port", "0"].concat([
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
        assert.equal((await on.status()).running, false);
    });

    it("explains itself", async () => {
        assert.match((await run(process.execPath, ["dev/fly/main.ts", "--help"])).stdout, /reset/);
        await assert.rejects(on.command("dance"), /unknown command dance/);
        await assert.rejects(on.command("start", ["--port", "many"]), /--port must be a port/);
    });
});
