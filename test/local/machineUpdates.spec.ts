// core
import assert from "node:assert/strict";
import { startLocalFly } from "../../dev/fly/index.ts";
import type { LocalFly } from "../../dev/fly/index.ts";
import { Api } from "../../dev/harness/api.ts";
import type { MachineView } from "../../dev/harness/api.ts";
import { pushImage } from "../../dev/harness/image.ts";

describe("local Fly: updates of a machine", function () {
    this.timeout(60_000);
    let fly: LocalFly;
    let api: Api;
    let image: string;
    const path = "/apps/box/machines";

    before(async () => {
        fly = await startLocalFly();
        api = new Api(fly);
        await api.app("box");
        image = await pushImage(fly, "box");
    });
    after(() => fly?.close());

    it("replaces the version on an update, but keeps the machine", async () => {
        const machine = await api.start("box", { image, env: { N: "1" } }, { name: "kept" });
        const updated = await api.ok<MachineView>("POST", `${path}/${machine.id}`, {
            config: { image, env: { N: "2" } },
            current_version: machine.instance_id,
        });
        assert.equal(updated.id, machine.id);
        assert.equal(updated.state, "replacing");
        assert.notEqual(updated.instance_id, machine.instance_id);
        await api.wait("box", machine.id, "started", updated.instance_id);
        assert.equal(await api.shell("box", machine.id, "echo $N"), "2");
        const types = (await api.machine("box", machine.id)).events.map((one) => one.type);
        assert.deepEqual(types.slice(0, 4), ["start", "launch", "exit", "update"]);
        await api.refused(
            409,
            "aborted: machine update failed due to concurrent update",
            "POST",
            `${path}/${machine.id}`,
            { config: { image }, current_version: machine.instance_id },
        );
        const old = `${path}/${machine.id}/wait?state=started&timeout=1&version=${machine.instance_id}`;
        await api.refused(
            408,
            "deadline_exceeded: machine failed to reach desired state, started, currently replaced",
            "GET",
            old,
        );
        const versions = await api.ok<{ version: string; user_config: { env: object } }[]>(
            "GET",
            `${path}/${machine.id}/versions`,
        );
        assert.deepEqual(
            versions.map((one) => one.user_config.env),
            [{ N: "2" }, { N: "1" }],
        );
        for (const change of [{ name: "other" }, { region: "ams" }]) {
            const body = { config: { image }, ...change };
            await api.refused(400, /cannot be changed/, "POST", `${path}/${machine.id}`, body);
        }
        await api.destroy("box", machine.id);
    });

    it("keeps a stopped machine stopped if the update requests it", async () => {
        const machine = await api.start("box", { image });
        await api.stop("box", machine);
        const body = { config: { image, env: { N: "2" } }, skip_launch: true };
        const updated = await api.ok<MachineView>("POST", `${path}/${machine.id}`, body);
        assert.equal(updated.state, "stopped");
        await api.ok("POST", `${path}/${machine.id}/start`, {});
        await api.wait("box", machine.id, "started");
        assert.equal(await api.shell("box", machine.id, "echo $N"), "2");
        await api.destroy("box", machine.id);
    });

    it("fails an update whose version cannot start", async () => {
        const machine = await api.start("box", { image });
        const files = [{ guest_path: "/secret", secret_name: "NOT_SET" }];
        await api.ok("POST", `${path}/${machine.id}`, { config: { image, files } });
        await api.wait("box", machine.id, "failed");
        const mended = await api.ok<MachineView>("POST", `${path}/${machine.id}`, {
            config: { image },
        });
        await api.wait("box", machine.id, "started", mended.instance_id);
        await api.destroy("box", machine.id);
    });

    it("gives new secrets to a machine at its next boot", async () => {
        await api.ok("POST", "/apps/box/secrets", { values: { ROTATED: "old" } });
        const machine = await api.start("box", { image });
        const { version } = await api.ok<{ version: number }>("POST", "/apps/box/secrets", {
            values: { ROTATED: "new" },
        });
        assert.equal(await api.shell("box", machine.id, "echo $ROTATED"), "old");
        const body = { config: { image }, min_secrets_version: version };
        const updated = await api.ok<MachineView>("POST", `${path}/${machine.id}`, body);
        await api.wait("box", machine.id, "started", updated.instance_id);
        assert.equal(await api.shell("box", machine.id, "echo $ROTATED"), "new");
        await api.destroy("box", machine.id);
    });

    it("changes metadata without a restart or a new version", async () => {
        const machine = await api.start("box", { image, metadata: { a: "1" } });
        const one = `${path}/${machine.id}`;
        assert.equal((await api.call("POST", `${one}/metadata/b`, { value: "2" })).status, 204);
        const merged = { metadata: { a: null, c: "3" }, machine_version: machine.instance_id };
        assert.equal((await api.call("PATCH", `${one}/metadata`, merged)).status, 204);
        assert.deepEqual(await api.ok("GET", `${one}/metadata`), { b: "2", c: "3" });
        const stale = { metadata: {}, machine_version: "01AAAAAAAAAAAAAAAAAAAAAAAA" };
        await api.refused(412, /version does not match/, "PUT", `${one}/metadata`, stale);
        assert.equal((await api.call("DELETE", `${one}/metadata/b`)).status, 204);
        await api.refused(404, "metadata key not found", "GET", `${one}/metadata/b`);
        assert.equal((await api.machine("box", machine.id)).instance_id, machine.instance_id);
        const found = await api.ok<MachineView[]>("GET", `${path}?metadata.c=3`);
        assert.deepEqual(
            found.map((each) => each.id),
            [machine.id],
        );
        assert.deepEqual(await api.ok<MachineView[]>("GET", `${path}?metadata.c=4`), []);
        await api.destroy("box", machine.id);
    });
});
