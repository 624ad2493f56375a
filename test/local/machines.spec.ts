// core
import assert from "node:assert/strict";
import type { MachineView } from "../../dev/harness/api.ts";
import { docker } from "../../dev/harness/image.ts";
import { AppFixture } from "./support/appFixture.ts";

describe("local Fly: machines", function () {
    this.timeout(60_000);
    const on = new AppFixture("box");
    const path = "/apps/box/machines";

    it("answers a create as Fly does, and starts", async () => {
        const made = await on.api.ok<MachineView>("POST", path, {
            name: "first",
            region: "ams",
            config: { image: on.image, metadata: { who: "me" } },
        });
        assert.match(made.id, /^[0-9a-f]{14}$/);
        assert.match(made.instance_id, /^[0-9A-Z]{26}$/);
        assert.equal(made.version, made.instance_id);
        assert.equal(made.state, "created");
        assert.equal(made.region, "ams");
        assert.equal(made.image_ref.registry, on.fly.registry);
        assert.equal(made.image_ref.repository, "box");
        assert.equal(made.image_ref.digest, on.image.split("@")[1]);
        assert.deepEqual(made.image_ref.labels, { "test.label": "here" });
        assert.deepEqual(
            made.events.map((one) => [one.type, one.status, one.source]),
            [["launch", "created", "user"]],
        );
        assert.ok(!("nonce" in made));
        await on.api.wait("box", made.id, "started");
        const shown = await on.api.machine("box", made.id);
        assert.equal(shown.events[0]?.type, "start");
        await on.api.destroy("box", made.id);
    });

    it("runs a container with the requested limits, environment and files", async () => {
        await on.api.ok("POST", "/apps/box/secrets", {
            values: {
                TOLD: "plain",
                CLASH: "from the secret",
                FILE: Buffer.from("hidden content").toString("base64"),
            },
        });
        const machine = await on.api.start("box", {
            image: on.image,
            guest: { cpu_kind: "shared", cpus: 1, memory_mb: 512 },
            env: { OWN: "yes", CLASH: "from the configuration" },
            metadata: { fly_process_group: "app" },
            files: [
                { guest_path: "/run/new/dir/secret", secret_name: "FILE", mode: 0o600 },
                { guest_path: "/tmp/raw", raw_value: Buffer.from("raw").toString("base64") },
            ],
        });
        const lines = (await on.api.shell("box", machine.id, "env")).split("\n");
        for (const line of [
            "FROM_IMAGE=yes",
            "OWN=yes",
            "TOLD=plain",
            "CLASH=from the secret",
            "FLY_APP_NAME=box",
            `FLY_MACHINE_ID=${machine.id}`,
            `FLY_ALLOC_ID=${machine.id}`,
            `FLY_MACHINE_VERSION=${machine.instance_id}`,
            "FLY_REGION=lhr",
            "PRIMARY_REGION=lhr",
            "FLY_VM_MEMORY_MB=512",
            "FLY_PROCESS_GROUP=app",
            `FLY_PRIVATE_IP=${machine.private_ip}`,
            `FLY_IMAGE_REF=${on.image}`,
        ]) {
            assert.ok(lines.includes(line), `${line} is missing`);
        }
        const shell = (command: string) => on.api.shell("box", machine.id, command);
        assert.equal(await shell("cat /run/new/dir/secret"), "hidden content");
        assert.equal(await shell("stat -c %a:%u:%g /run/new/dir/secret"), "600:0:0");
        assert.equal(await shell("cat /tmp/raw"), "raw");
        assert.equal(await shell("stat -c %a /tmp"), "1777", "directories there keep their mode");
        assert.equal(await shell("hostname"), machine.id);
        const container = docker.getContainer(`fly-box-${machine.id}`);
        const { HostConfig } = await container.inspect();
        assert.equal(HostConfig.Memory, 512 * 1024 * 1024);
        assert.equal(HostConfig.NanoCpus, 1e9);
        await on.api.destroy("box", machine.id);
        await assert.rejects(container.inspect(), /no such container/i);
    });

    it("keeps app secrets out of the environment on request", async () => {
        await on.api.ok("POST", "/apps/box/secrets", { values: { TOLD: "plain" } });
        const machine = await on.api.start("box", { image: on.image }, { skip_secrets: true });
        const found = await on.api.shell("box", machine.id, "env | grep TOLD || echo none");
        assert.equal(found, "none");
        await on.api.destroy("box", machine.id);
    });

    it("overrides the image's command by init", async () => {
        const machine = await on.api.start("box", {
            image: on.image,
            init: { exec: ["/bin/sh", "-c", "echo by-exec > /tmp/how; sleep 1000"] },
        });
        assert.equal(await on.api.shell("box", machine.id, "cat /tmp/how"), "by-exec");
        await on.api.destroy("box", machine.id);
    });

    it("pulls an image that Docker has dropped", async () => {
        await docker.getImage(on.image).remove({ force: true });
        const machine = await on.api.start("box", { image: on.image });
        await on.api.destroy("box", machine.id);
        // registry.fly.io means the same registry.
        const alias = on.image.replace(on.fly.registry, "registry.fly.io");
        const other = await on.api.start("box", { image: alias });
        assert.equal(other.image_ref.registry, "registry.fly.io");
        await on.api.destroy("box", other.id);
    });

    it("refuses invalid machines", async () => {
        const config = { image: on.image };
        const missing = `${on.fly.registry}/box:missing`;
        const cases: [number, string | RegExp, Record<string, unknown>][] = [
            [400, "config is required", {}],
            [400, /^failed to get manifest .*box:missing/, { config: { image: missing } }],
            [400, /invalid region: nowhere/, { config, region: "nowhere" }],
            [
                400,
                "invalid config.guest.memory_mb, minimum required 1024 MiB",
                {
                    config: {
                        image: on.image,
                        guest: { cpu_kind: "shared", cpus: 4, memory_mb: 512 },
                    },
                },
            ],
            [
                412,
                "failed_precondition: secrets version 99 is not available, currently 2",
                { config, min_secrets_version: 99 },
            ],
        ];
        for (const [status, text, body] of cases) {
            await on.api.refused(status, text, "POST", path, body);
        }
        await on.api.refused(404, "machine not found", "GET", `${path}/00000000000000`);
    });

    it("gives a name to one machine at a time", async () => {
        const body = { name: "only", config: { image: on.image }, skip_launch: true };
        const made = await on.api.ok<MachineView>("POST", path, body);
        await on.api.refused(
            409,
            `already_exists: unique machine name violation, machine ID ${made.id} already exists with name "only"`,
            "POST",
            path,
            body,
        );
        await on.api.destroy("box", made.id);
        const again = await on.api.ok<MachineView>("POST", path, body);
        await on.api.destroy("box", again.id);
    });

    it("reports why a machine failed to start", async () => {
        const files = [{ guest_path: "/secret", secret_name: "NOT_SET" }];
        const made = await on.api.ok<MachineView>("POST", path, {
            config: { image: on.image, files },
        });
        await on.api.wait("box", made.id, "failed");
        const failed = await on.api.machine("box", made.id);
        assert.match(failed.events[0]?.request?.error ?? "", /NOT_SET/);
        await on.api.ok("DELETE", `${path}/${made.id}`);
        await on.api.wait("box", made.id, "destroyed");
    });

    it("does not start a machine created with skip_launch", async () => {
        const made = await on.api.ok<MachineView>("POST", path, {
            config: { image: on.image },
            skip_launch: true,
        });
        assert.equal((await on.api.machine("box", made.id)).state, "created");
        const started = await on.api.ok("POST", `${path}/${made.id}/start`, {});
        assert.deepEqual(started, { previous_state: "created", migrated: false, new_host: "" });
        await on.api.wait("box", made.id, "started");
        await on.api.destroy("box", made.id);
    });

    it("lists by state and region, destroyed machines on request", async () => {
        const here = await on.api.start("box", { image: on.image });
        const there = await on.api.ok<MachineView>("POST", path, {
            config: { image: on.image },
            region: "ams",
            skip_launch: true,
        });
        const ids = async (query: string) =>
            (await on.api.ok<MachineView[]>("GET", `${path}${query}`)).map((one) => one.id).sort();
        assert.deepEqual(await ids(""), [here.id, there.id].sort());
        assert.deepEqual(await ids("?region=ams"), [there.id]);
        assert.deepEqual(await ids("?state=started,stopped"), [here.id]);
        const [summary] = await on.api.ok<MachineView[]>("GET", `${path}?region=ams&summary=true`);
        assert.ok(summary !== undefined && !("config" in summary));
        await on.api.destroy("box", there.id);
        await on.api.destroy("box", here.id);
        assert.deepEqual(await ids(""), []);
        assert.ok((await ids("?include_deleted=true")).includes(here.id));
        assert.equal((await on.api.machine("box", here.id)).state, "destroyed");
    });

    it("runs commands inside, with input, output and exit code", async () => {
        const machine = await on.api.start("box", { image: on.image });
        const exec = `${path}/${machine.id}/exec`;
        const done = await on.api.ok("POST", exec, {
            command: ["/bin/sh", "-c", "tr a-z A-Z; echo problem >&2; exit 3"],
            stdin: "quiet",
        });
        assert.deepEqual(done, {
            exit_code: 3,
            exit_signal: 0,
            stdout: "QUIET",
            stderr: "problem\n",
        });
        const old = await on.api.ok("POST", exec, { cmd: "echo 'two words'" });
        assert.equal(old.stdout, "two words\n");
        await on.api.refused(400, "command is required", "POST", exec, {});
        await on.api.refused(408, /deadline_exceeded/, "POST", exec, {
            command: ["/bin/sleep", "30"],
            timeout: 1,
        });
        const processes = await on.api.ok<{ command: string; pid: number }[]>(
            "GET",
            `${path}/${machine.id}/ps`,
        );
        assert.ok(processes.some((one) => one.command.includes("trap")));
        await on.api.destroy("box", machine.id);
    });
});
