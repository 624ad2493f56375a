// core
import assert from "node:assert/strict";
import type { Api } from "../../dev/harness/api.ts";
import { until } from "../../dev/harness/until.ts";
import { AppFixture } from "./support/appFixture.ts";

interface Volume {
    id: string;
    state: string;
    size_gb: number;
    attached_machine_id: string | null;
    host_status: string;
    zone: string;
}

describe("local Fly: volumes", function () {
    this.timeout(60_000);
    const on = new AppFixture("vols", { settings: { volumeReleaseMs: 400 } });
    const path = "/apps/vols/volumes";

    const make = (more: Record<string, unknown> = {}) =>
        on.api.ok<Volume>("POST", path, { name: "data", region: "lhr", size_gb: 1, ...more });
    const mounted = (volume: Volume) => ({
        image: on.image,
        mounts: [{ volume: volume.id, path: "/data" }],
    });

    it("answers a create as Fly does", async () => {
        const volume = await make();
        assert.match(volume.id, /^vol_[0-9a-z]{16}$/);
        assert.equal(volume.state, "created");
        assert.equal(volume.host_status, "ok");
        assert.equal(volume.attached_machine_id, null);
        const defaults = await on.api.ok<Volume>("POST", path, { name: "data", region: "lhr" });
        assert.equal(defaults.size_gb, 3);
        assert.notEqual(defaults.id, volume.id, "names are not unique");
    });

    it("refuses sizes, names, regions and retentions out of range", async () => {
        const good = { name: "data", region: "lhr", size_gb: 1 };
        for (const [bad, text] of [
            [{ size_gb: 0 }, /size_gb/],
            [{ size_gb: 501 }, /size_gb/],
            [{ name: "has-dash" }, /invalid name/],
            [{ region: "nowhere" }, /invalid region/],
            [{ snapshot_retention: 61 }, /snapshot_retention/],
            [{ compute: { cpu_kind: "shared", cpus: 4, memory_mb: 512 } }, /minimum required 1024/],
        ] as const) {
            await on.api.refused(400, text, "POST", path, { ...good, ...bad });
        }
    });

    it("keeps data from one machine to the next", async () => {
        const volume = await make();
        const first = await on.api.start("vols", mounted(volume));
        await on.api.shell("vols", first.id, "echo kept > /data/file; touch /elsewhere");
        const bound = await on.api.ok<Volume>("GET", `${path}/${volume.id}`);
        assert.equal(bound.attached_machine_id, first.id);
        await on.api.ok("POST", `/apps/vols/machines/${first.id}/restart`, {});
        await on.api.wait("vols", first.id, "started");
        assert.equal(await on.api.shell("vols", first.id, "cat /data/file"), "kept");
        const elsewhere = await on.api.shell("vols", first.id, "test -e /elsewhere || echo reset");
        assert.equal(elsewhere, "reset", "everything but the volume is new at each boot");
        await on.api.destroy("vols", first.id);
        await until("the volume is released", async () => {
            const seen = await on.api.ok<Volume>("GET", `${path}/${volume.id}`);
            return seen.attached_machine_id === null;
        });
        const second = await on.api.start("vols", mounted(volume));
        assert.equal(await on.api.shell("vols", second.id, "cat /data/file"), "kept");
        await on.api.destroy("vols", second.id);
    });

    it("starts as an empty file system, whatever the image has there", async () => {
        const volume = await make();
        const machine = await on.api.start("vols", mounted(volume));
        const found = await on.api.shell("vols", machine.id, "ls -A /data");
        assert.ok(found === "" || found === "lost+found", found);
        assert.equal(await on.api.shell("vols", machine.id, "stat -c %u:%g:%a /data"), "0:0:755");
        await on.api.destroy("vols", machine.id);
    });

    it("gives a volume to one machine only", async () => {
        const volume = await make();
        const config = mounted(volume);
        const machine = await on.api.start("vols", config);
        await on.api.refused(
            412,
            `volume already claimed by machine ${machine.id}`,
            "POST",
            "/apps/vols/machines",
            { config },
        );
        const bound = `failed_precondition: volume is currently bound to machine: ${machine.id}`;
        await on.api.refused(412, bound, "DELETE", `${path}/${volume.id}`);
        await on.api.destroy("vols", machine.id);
        await on.api.refused(412, bound, "DELETE", `${path}/${volume.id}`);
        await until(
            "the volume can be deleted",
            async () => (await on.api.call("DELETE", `${path}/${volume.id}`)).status === 200,
        );
    });

    it("refuses a machine in another region, or with no such volume", async () => {
        const volume = await make();
        const body = { config: mounted(volume), region: "ams" };
        await on.api.refused(
            412,
            `insufficient resources to create new machine with existing volume '${volume.id}'`,
            "POST",
            "/apps/vols/machines",
            body,
        );
        const config = { image: on.image, mounts: [{ volume: "vol_missing", path: "/data" }] };
        await on.api.refused(400, /vol_missing not found/, "POST", "/apps/vols/machines", {
            config,
        });
    });

    it("deletes softly: a deleted volume still answers", async () => {
        const volume = await make();
        const deleted = await on.api.ok<Volume>("DELETE", `${path}/${volume.id}`);
        assert.equal(deleted.state, "pending_destroy");
        const after = await on.api.ok<Volume>("GET", `${path}/${volume.id}`);
        assert.equal(after.state, "pending_destroy");
        await on.api.refused(404, "volume not found", "PUT", `${path}/${volume.id}/extend`, {
            size_gb: 9,
        });
        const config = mounted(volume);
        await on.api.refused(400, /not found/, "POST", "/apps/vols/machines", { config });
    });

    it("changes retention and backups, and nothing else", async () => {
        const volume = await make();
        const changed = await on.api.ok<Record<string, unknown>>("PUT", `${path}/${volume.id}`, {
            snapshot_retention: 9,
            auto_backup_enabled: false,
            size_gb: 50,
        });
        assert.equal(changed.snapshot_retention, 9);
        assert.equal(changed.auto_backup_enabled, false);
        assert.equal(changed.size_gb, 1);
    });

    it("extends a volume, also under a running machine, and never shrinks it", async () => {
        const volume = await make();
        const machine = await on.api.start("vols", mounted(volume));
        await on.api.shell("vols", machine.id, "echo kept > /data/file");
        const extend = `${path}/${volume.id}/extend`;
        const grown = await on.api.ok<{ volume: Volume; needs_restart: boolean }>("PUT", extend, {
            size_gb: 2,
        });
        assert.equal(grown.volume.size_gb, 2);
        await on.api.refused(400, /only be increased/, "PUT", extend, { size_gb: 1 });
        if (grown.needs_restart) {
            await on.api.ok("POST", `/apps/vols/machines/${machine.id}/restart`, {});
            await on.api.wait("vols", machine.id, "started");
        }
        assert.equal(await on.api.shell("vols", machine.id, "cat /data/file"), "kept");
        const { volumeKind } = await kind(on.api);
        if (volumeKind === "loop") {
            const kib = await on.api.shell("vols", machine.id, "df -k /data | tail -1");
            assert.ok(Number(kib.split(/\s+/)[1]) > 1_800_000, kib);
        }
        await on.api.destroy("vols", machine.id);
    });

    it("enforces a volume's size", async function () {
        if ((await kind(on.api)).volumeKind !== "loop") this.skip();
        const volume = await make();
        const machine = await on.api.start("vols", mounted(volume));
        const filled = await on.api.ok<{ exit_code: number; stderr: string }>(
            "POST",
            `/apps/vols/machines/${machine.id}/exec`,
            { command: ["/bin/dd", "if=/dev/zero", "of=/data/big", "bs=1M", "count=1100"] },
        );
        assert.notEqual(filled.exit_code, 0);
        assert.match(filled.stderr, /No space left/);
        const seen = await on.api.ok<{ blocks_avail: number; blocks: number }>(
            "GET",
            `${path}/${volume.id}`,
        );
        assert.ok(seen.blocks > 0);
        assert.equal(seen.blocks_avail, 0);
        await on.api.destroy("vols", machine.id);
    });

    it("restores a snapshot into a new volume", async function () {
        if ((await kind(on.api)).volumeKind !== "loop") this.skip();
        const volume = await make();
        const machine = await on.api.start("vols", mounted(volume));
        await on.api.shell("vols", machine.id, "echo before > /data/file; sync");
        const snapshots = `${path}/${volume.id}/snapshots`;
        const taken = await on.api.ok<{ id: string; status: string }>("POST", snapshots, {});
        assert.notEqual(taken.status, "created");
        await until("the snapshot is taken", async () => {
            const [one] = await on.api.ok<{ status: string }[]>("GET", snapshots);
            return one?.status === "created";
        });
        await on.api.shell("vols", machine.id, "echo after > /data/file");
        await on.api.destroy("vols", machine.id);
        const restored = await make({ snapshot_id: taken.id });
        const second = await on.api.start("vols", mounted(restored));
        assert.equal(await on.api.shell("vols", second.id, "cat /data/file"), "before");
        await on.api.destroy("vols", second.id);
    });
});

async function kind(api: Api): Promise<{ volumeKind: string }> {
    return api.ok<{ volumeKind: string }>("GET", "/_local/state");
}
