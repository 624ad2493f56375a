// core
/** A volume's data: moved by a replacement, put aside before another image. */
import assert from "node:assert/strict";
import { Machine, Volume } from "../../providers/entry.ts";
import { ownerMetadata } from "../../providers/fly/ownership.ts";
import type { WireSnapshot, WireVolume } from "../../providers/fly/api/types.ts";
import type { VolumeInputs } from "../../providers/fly/volume/inputs.ts";
import { until } from "../../dev/harness/until.ts";
import { failureOf, outsOf, OWNER } from "./support/flyFixture.ts";
import { pushImage } from "../../dev/harness/image.ts";
import { MachineFixture } from "./support/machineFixture.ts";

describe("a volume's data", function () {
    this.timeout(90_000);
    const on = new MachineFixture({ settings: { volumeReleaseMs: 0 } });

    function inputs(change: Partial<VolumeInputs> = {}): VolumeInputs {
        const place = { ...on.place, name: "data", region: "lhr" };
        return { ...place, sizeGb: 1, owner: OWNER, onReplace: "restore", ...change };
    }

    function machineOn(volume: string, region = "lhr") {
        const base = on.inputs({ region });
        const mounts = [{ volume, path: "/data" }];
        return { ...base, config: { ...base.config, mounts } };
    }

    async function withMachine() {
        const old = await Volume.create(inputs());
        const machine = await Machine.create(machineOn(old.id));
        await on.api.shell(on.app, machine.id, "echo kept > /data/file");
        return { old, machine };
    }

    async function volumes(region?: string): Promise<WireVolume[]> {
        const all = await on.api.ok<WireVolume[]>("GET", `/apps/${on.app}/volumes`);
        return all.filter(
            (one) => one.state === "created" && (region ?? one.region) === one.region,
        );
    }

    function snapshots(volume: string): Promise<WireSnapshot[]> {
        return on.api.ok("GET", `/apps/${on.app}/volumes/${volume}/snapshots`);
    }

    /** Follows the engine: the old machine, a new one there, then the old volume. */
    async function goOn(
        old: { id: string; outs?: object },
        machine: { id: string; outs?: object },
        id: string,
    ) {
        await Machine.delete(machine.id, outsOf(machine) as never);
        const moved = await Machine.create(machineOn(id, "ams"));
        await Volume.delete(old.id, outsOf(old) as never);
        assert.deepEqual(
            (await volumes()).map((one) => one.id),
            [id],
        );
        return await on.api.shell(on.app, moved.id, "cat /data/file");
    }

    it("moves to another region, with everything written before the machine stopped", async () => {
        const { old, machine } = await withMachine();
        const made = await Volume.create(inputs({ region: "ams" }));
        assert.notEqual(made.id, old.id);
        assert.equal((await on.api.machine(on.app, machine.id)).state, "stopped");
        assert.equal(await goOn(old, machine, made.id), "kept");
    });

    for (const [what, path] of [
        ["the snapshot", "/v1/apps/*/volumes/*/snapshots"],
        ["the new volume", "/v1/apps/*/volumes"],
    ] as const) {
        for (const type of ["drop-before", "drop-after"] as const) {
            it(`moves once if the answer about ${what} is lost (${type})`, async () => {
                const { old, machine } = await withMachine();
                await on.fault({ method: "POST", path, action: { type } });
                const made = await Volume.create(inputs({ region: "ams" }));
                assert.equal((await volumes("ams")).length, 1);
                assert.equal(await goOn(old, machine, made.id), "kept");
            });
        }
    }

    it("moves once if the first attempt was killed after the volume was created", async () => {
        const { old, machine } = await withMachine();
        const first = await Volume.create(inputs({ region: "ams" }));
        const again = await Volume.create(inputs({ region: "ams" }));
        assert.equal(again.id, first.id);
        assert.equal(await goOn(old, machine, again.id), "kept");
    });

    it("is not taken from a leftover that may be older", async () => {
        const { machine } = await withMachine();
        const leftover = await Volume.create(inputs({ region: "ams", onReplace: "discard" }));
        const error = await failureOf(Volume.create(inputs({ region: "ams" })));
        assert.match(
            error.message,
            new RegExp(`^Volume ${leftover.id} .* may hold older data than vol_`),
        );
        assert.equal((await on.api.machine(on.app, machine.id)).state, "started");
    });

    it("stays served if the snapshot cannot be taken", async () => {
        const { machine } = await withMachine();
        await on.fault({
            method: "POST",
            path: "/v1/apps/*/volumes/*/snapshots",
            action: { type: "status", status: 422, body: { error: "no snapshots today" } },
        });
        const error = await failureOf(Volume.create(inputs({ region: "ams" })));
        assert.match(error.message, /no snapshots today/);
        await on.api.wait(on.app, machine.id, "started");
        assert.deepEqual(await volumes("ams"), []);
    });

    it("stays in place if the new volume cannot be created", async () => {
        const { machine } = await withMachine();
        await on.fault({
            method: "POST",
            path: "/v1/apps/*/volumes",
            action: { type: "status", status: 422, body: { error: "no room in ams" } },
        });
        const error = await failureOf(Volume.create(inputs({ region: "ams" })));
        assert.match(error.message, /no room in ams(.|\n)*is started again where it was\.$/);
        await on.api.wait(on.app, machine.id, "started");
        assert.equal((await on.api.machine(on.app, machine.id)).cordoned, false);
    });

    it("cannot be reached by clients while it moves, and is newer than a declared snapshot", async () => {
        const { old, machine } = await withMachine();
        await on.api.ok("POST", `/apps/${on.app}/volumes/${old.id}/snapshots`);
        const snapshotId = await until("a snapshot", async () => {
            const [only] = await snapshots(old.id);
            return only?.status === "created" ? only.id : undefined;
        });
        await on.api.shell(on.app, machine.id, "echo newer > /data/file");
        const made = await Volume.create(inputs({ region: "ams", snapshotId }));
        assert.equal((await on.api.machine(on.app, machine.id)).cordoned, true);
        assert.equal(await goOn(old, machine, made.id), "newer");
    });

    it("is not left behind if its machine is not known as ours", async () => {
        const { machine } = await withMachine();
        const path = `/apps/${on.app}/machines/${machine.id}/metadata/pulumi_stack`;
        await on.api.ok("DELETE", path);
        const error = await failureOf(Volume.create(inputs({ region: "ams" })));
        assert.match(
            error.message,
            /^Volume vol_\w+ in lhr with the same name is attached to a machine/,
        );
        assert.deepEqual(await volumes("ams"), []);
    });

    it("is not taken from one of several machines of ours, as after a clone", async () => {
        const { old } = await withMachine();
        const copy = await on.api.ok<WireVolume>("POST", `/apps/${on.app}/volumes`, {
            ...{ name: "data", region: "lhr", size_gb: 1 },
        });
        const clone = machineOn(copy.id);
        await on.api.start(on.app, { ...clone.config, metadata: ownerMetadata(OWNER) });
        const error = await failureOf(Volume.create(inputs({ region: "ams" })));
        assert.match(error.message, /^Which volume's data is to be moved\?/);
        for (const { id } of [old, copy]) assert.ok(error.message.includes(id), error.message);
        assert.deepEqual(await volumes("ams"), []);
    });

    it("is restored from a declared snapshot", async () => {
        const { old } = await withMachine();
        await on.api.ok("POST", `/apps/${on.app}/volumes/${old.id}/snapshots`);
        const snapshotId = await until("a snapshot", async () => {
            const [only] = await snapshots(old.id);
            return only?.status === "created" ? only.id : undefined;
        });
        const made = await Volume.create(
            inputs({ region: "ams", snapshotId, onReplace: "refuse" }),
        );
        const machine = { ...machineOn(made.id, "ams"), name: "second" };
        const { id } = await Machine.create(machine);
        assert.equal(await on.api.shell(on.app, id, "cat /data/file"), "kept");
    });

    it("is put aside before another image takes it up, and before no other change", async () => {
        const { old, machine } = await withMachine();
        const before = outsOf(machine);
        const wanted = machineOn(old.id);
        const bigger = { ...wanted.config, guest: { cpu_kind: "shared", cpus: 1, memory_mb: 512 } };
        const { outs } = await Machine.update(machine.id, before, { ...wanted, config: bigger });
        assert.deepEqual(await snapshots(old.id), []);
        const other = await pushImage(on.fly, on.app);
        await Machine.update(machine.id, outs!, { ...wanted, config: { ...bigger, image: other } });
        assert.deepEqual(
            (await snapshots(old.id)).map(({ status }) => status),
            ["created"],
        );
    });

    it("is not deleted with an old volume that is in use again", async () => {
        const { old } = await withMachine();
        await Volume.delete(old.id, outsOf(old));
        assert.deepEqual(
            (await volumes()).map(({ id }) => id),
            [old.id],
        );
    });
});
