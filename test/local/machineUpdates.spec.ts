// core
import assert from "node:assert/strict";
import type { MachineView } from "../../dev/harness/api.ts";
import { AppFixture } from "./support/appFixture.ts";

describe("local Fly: updates of a machine", function () {
    this.timeout(60_000);
    const on = new AppFixture("box");
    const path = "/apps/box/machines";

    it("replaces the version on an update, but keeps the machine", async () => {
        const machine = await on.api.start(
            "box",
            { image: on.image, env: { N: "1" } },
            { name: "kept" },
        );
        const updated = await on.api.ok<MachineView>("POST", `${path}/${machine.id}`, {
            config: { image: on.image, env: { N: "2" } },
            current_version: machine.instance_id,
        });
        assert.equal(updated.id, machine.id);
        assert.equal(updated.state, "replacing");
        assert.notEqual(updated.instance_id, machine.instance_id);
        await on.api.wait("box", machine.id, "started", updated.instance_id);
        assert.equal(await on.api.shell("box", machine.id, "echo $N"), "2");
        const types = (await on.api.machine("box", machine.id)).events.map((one) => one.type);
        assert.deepEqual(types.slice(0, 4), ["start", "launch", "exit", "update"]);
        await on.api.refused(
            409,
            "aborted: machine update failed due to concurrent update",
            "POST",
            `${path}/${machine.id}`,
            { config: { image: on.image }, current_version: machine.instance_id },
        );
        const old = `${path}/${machine.id}/wait?state=started&timeout=1&version=${machine.instance_id}`;
        await on.api.refused(
            408,
            "deadline_exceeded: machine failed to reach desired state, started, currently replaced",
            "GET",
            old,
        );
        const versions = await on.api.ok<{ version: string; user_config: { env: object } }[]>(
            "GET",
            `${path}/${machine.id}/versions`,
        );
        assert.deepEqual(
            versions.map((one) => one.user_config.env),
            [{ N: "2" }, { N: "1" }],
        );
        for (const change of [{ name: "other" }, { region: "ams" }]) {
            const body = { config: { image: on.image }, ...change };
            await on.api.refused(400, /cannot be changed/, "POST", `${path}/${machine.id}`, body);
        }
        await on.api.destroy("box", machine.id);
    });

    it("keeps a stopped machine stopped if the update requests it", async () => {
        const machine = await on.api.start("box", { image: on.image });
        await on.api.stop("box", machine);
        const body = { config: { image: on.image, env: { N: "2" } }, skip_launch: true };
        const updated = await on.api.ok<MachineView>("POST", `${path}/${machine.id}`, body);
        assert.equal(updated.state, "stopped");
        await on.api.ok("POST", `${path}/${machine.id}/start`, {});
        await on.api.wait("box", machine.id, "started");
        assert.equal(await on.api.shell("box", machine.id, "echo $N"), "2");
        await on.api.destroy("box", machine.id);
    });

    it("fails an update whose version cannot start", async () => {
        const machine = await on.api.start("box", { image: on.image });
        const files = [{ guest_path: "/secret", secret_name: "NOT_SET" }];
        await on.api.ok("POST", `${path}/${machine.id}`, { config: { image: on.image, files } });
        await on.api.wait("box", machine.id, "failed");
        const mended = await on.api.ok<MachineView>("POST", `${path}/${machine.id}`, {
            config: { image: on.image },
        });
        await on.api.wait("box", machine.id, "started", mended.instance_id);
        await on.api.destroy("box", machine.id);
    });

    it("gives new secrets to a machine at its next boot", async () => {
        await on.api.ok("POST", "/apps/box/secrets", { values: { ROTATED: "old" } });
        const machine = await on.api.start("box", { image: on.image });
        const { version } = await on.api.ok<{ version: number }>("POST", "/apps/box/secrets", {
            values: { ROTATED: "new" },
        });
        assert.equal(await on.api.shell("box", machine.id, "echo $ROTATED"), "old");
        const body = { config: { image: on.image }, min_secrets_version: version };
        const updated = await on.api.ok<MachineView>("POST", `${path}/${machine.id}`, body);
        await on.api.wait("box", machine.id, "started", updated.instance_id);
        assert.equal(await on.api.shell("box", machine.id, "echo $ROTATED"), "new");
        await on.api.destroy("box", machine.id);
    });

    it("changes metadata without a restart or a new version", async () => {
        const machine = await on.api.start("box", { image: on.image, metadata: { a: "1" } });
        const one = `${path}/${machine.id}`;
        assert.equal((await on.api.call("POST", `${one}/metadata/b`, { value: "2" })).status, 204);
        const merged = { metadata: { a: null, c: "3" }, machine_version: machine.instance_id };
        assert.equal((await on.api.call("PATCH", `${one}/metadata`, merged)).status, 204);
        assert.deepEqual(await on.api.ok("GET", `${one}/metadata`), { b: "2", c: "3" });
        const stale = { metadata: {}, machine_version: "01AAAAAAAAAAAAAAAAAAAAAAAA" };
        await on.api.refused(412, /version does not match/, "PUT", `${one}/metadata`, stale);
        assert.equal((await on.api.call("DELETE", `${one}/metadata/b`)).status, 204);
        await on.api.refused(404, "metadata key not found", "GET", `${one}/metadata/b`);
        assert.equal((await on.api.machine("box", machine.id)).instance_id, machine.instance_id);
        const found = await on.api.ok<MachineView[]>("GET", `${path}?metadata.c=3`);
        assert.deepEqual(
            found.map((each) => each.id),
            [machine.id],
        );
        assert.deepEqual(await on.api.ok<MachineView[]>("GET", `${path}?metadata.c=4`), []);
        await on.api.destroy("box", machine.id);
    });
});
