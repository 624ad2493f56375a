// core
import assert from "node:assert/strict";
import { startLocalFly } from "../../dev/fly/index.ts";
import type { LocalFly } from "../../dev/fly/index.ts";
import { Api } from "../../dev/harness/api.ts";
import { pushImage } from "../../dev/harness/image.ts";
import { until } from "../../dev/harness/until.ts";

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
    let fly: LocalFly;
    let api: Api;
    let image: string;
    const path = "/apps/vols/volumes";

    const make = (more: Record<string, unknown> = {}) =>
        api.ok<Volume>("POST", path, { name: "data", region: "lhr", size_gb: 1, ...more });
    const mounted = (volume: Volume) => ({
        image,
        mounts: [{ volume: volume.id, path: "/data" }],
    });

    before(async () => {
        fly = await startLocalFly({ settings: { volumeReleaseMs: 400 } });
        api = new Api(fly);
        await api.app("vols");
        image = await pushImage(fly, "vols");
    });
    after(() => fly?.close());

    it("answers a create as Fly does", async () => {
        const volume = await make();
        assert.match(volume.id, /^vol_[0-9a-z]{16}$/);
        assert.equal(volume.state, "created");
        assert.equal(volume.host_status, "ok");
        assert.equal(volume.attached_machine_id, null);
        const defaults = await api.ok<Volume>("POST", path, { name: "data", region: "lhr" });
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
            await api.refused(400, text, "POST", path, { ...good, ...bad });
        }
    });

    it("keeps data from one machine to the next", async () => {
        const volume = await make();
        const first = await api.start("vols", mounted(volume));
        await api.shell("vols", first.id, "echo kept > /data/file; touch /elsewhere");
        const bound = await api.ok<Volume>("GET", `${path}/${volume.id}`);
        assert.equal(bound.attached_machine_id, first.id);
        await api.ok("POST", `/apps/vols/machines/${first.id}/restart`, {});
        await api.wait("vols", first.id, "started");
        assert.equal(await api.shell("vols", first.id, "cat /data/file"), "kept");
        const elsewhere = await api.shell("vols", first.id, "test -e /elsewhere || echo reset");
        assert.equal(elsewhere, "reset", "everything but the volume is new at each boot");
        await api.destroy("vols", first.id);
        await until("the volume is released", async () => {
            const seen = await api.ok<Volume>("GET", `${path}/${volume.id}`);
            return seen.attached_machine_id === null;
        });
        const second = await api.start("vols", mounted(volume));
        assert.equal(await api.shell("vols", second.id, "cat /data/file"), "kept");
        await api.destroy("vols", second.id);
    });

    it("starts as an empty file system, whatever the image has there", async () => {
        const volume = await make();
        const machine = await api.start("vols", mounted(volume));
        const found = await api.shell("vols", machine.id, "ls -A /data");
        assert.ok(found === "" || found === "lost+found", found);
        assert.equal(await api.shell("vols", machine.id, "stat -c %u:%g:%a /data"), "0:0:755");
        await api.destroy("vols", machine.id);
    });

    it("gives a volume to one machine only", async () => {
        const volume = await make();
        const config = mounted(volume);
        const machine = await api.start("vols", config);
        await api.refused(
            412,
            `volume already claimed by machine ${machine.id}`,
            "POST",
            "/apps/vols/machines",
            { config },
        );
        const bound = `failed_precondition: volume is currently bound to machine: ${machine.id}`;
        await api.refused(412, bound, "DELETE", `${path}/${volume.id}`);
        await api.destroy("vols", machine.id);
        await api.refused(412, bound, "DELETE", `${path}/${volume.id}`);
        await until(
            "the volume can be deleted",
            async () => (await api.call("DELETE", `${path}/${volume.id}`)).status === 200,
        );
    });

    it("refuses a machine in another region, or with no such volume", async () => {
        const volume = await make();
        const body = { config: mounted(volume), region: "ams" };
        await api.refused(
            412,
            `insufficient resources to create new machine with existing volume '${volume.id}'`,
            "POST",
            "/apps/vols/machines",
            body,
        );
        const config = { image, mounts: [{ volume: "vol_missing", path: "/data" }] };
        await api.refused(400, /vol_missing not found/, "POST", "/apps/vols/machines", { config });
    });

    it("deletes softly: a deleted volume still answers", async () => {
        const volume = await make();
        const deleted = await api.ok<Volume>("DELETE", `${path}/${volume.id}`);
        assert.equal(deleted.state, "pending_destroy");
        const after = await api.ok<Volume>("GET", `${path}/${volume.id}`);
        assert.equal(after.state, "pending_destroy");
        await api.refused(404, "volume not found", "PUT", `${path}/${volume.id}/extend`, {
            size_gb: 9,
        });
        const config = mounted(volume);
        await api.refused(400, /not found/, "POST", "/apps/vols/machines", { config });
    });

    it("changes retention and backups, and nothing else", async () => {
        const volume = await make();
        const changed = await api.ok<Record<string, unknown>>("PUT", `${path}/${volume.id}`, {
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
        const machine = await api.start("vols", mounted(volume));
        await api.shell("vols", machine.id, "echo kept > /data/file");
        const extend = `${path}/${volume.id}/extend`;
        const grown = await api.ok<{ volume: Volume; needs_restart: boolean }>("PUT", extend, {
            size_gb: 2,
        });
        assert.equal(grown.volume.size_gb, 2);
        await api.refused(400, /only be increased/, "PUT", extend, { size_gb: 1 });
        if (grown.needs_restart) {
            await api.ok("POST", `/apps/vols/machines/${machine.id}/restart`, {});
            await api.wait("vols", machine.id, "started");
        }
        assert.equal(await api.shell("vols", machine.id, "cat /data/file"), "kept");
        const { volumeKind } = await kind(api);
        if (volumeKind === "loop") {
            const kib = await api.shell("vols", machine.id, "df -k /data | tail -1");
            assert.ok(Number(kib.split(/\s+/)[1]) > 1_800_000, kib);
        }
        await api.destroy("vols", machine.id);
    });

    it("enforces a volume's size", async function () {
        if ((await kind(api)).volumeKind !== "loop") this.skip();
        const volume = await make();
        const machine = await api.start("vols", mounted(volume));
        const filled = await api.ok<{ exit_code: number; stderr: string }>(
            "POST",
            `/apps/vols/machines/${machine.id}/exec`,
            { command: ["/bin/dd", "if=/dev/zero", "of=/data/big", "bs=1M", "count=1100"] },
        );
        assert.notEqual(filled.exit_code, 0);
        assert.match(filled.stderr, /No space left/);
        const seen = await api.ok<{ blocks_avail: number; blocks: number }>(
            "GET",
            `${path}/${volume.id}`,
        );
        assert.ok(seen.blocks > 0);
        assert.equal(seen.blocks_avail, 0);
        await api.destroy("vols", machine.id);
    });

    it("restores a snapshot into a new volume", async function () {
        if ((await kind(api)).volumeKind !== "loop") this.skip();
        const volume = await make();
        const machine = await api.start("vols", mounted(volume));
        await api.shell("vols", machine.id, "echo before > /data/file; sync");
        const snapshots = `${path}/${volume.id}/snapshots`;
        const taken = await api.ok<{ id: string; status: string }>("POST", snapshots, {});
        assert.notEqual(taken.status, "created");
        await until("the snapshot is taken", async () => {
            const [one] = await api.ok<{ status: string }[]>("GET", snapshots);
            return one?.status === "created";
        });
        await api.shell("vols", machine.id, "echo after > /data/file");
        await api.destroy("vols", machine.id);
        const restored = await make({ snapshot_id: taken.id });
        const second = await api.start("vols", mounted(restored));
        assert.equal(await api.shell("vols", second.id, "cat /data/file"), "before");
        await api.destroy("vols", second.id);
    });
});

async function kind(api: Api): Promise<{ volumeKind: string }> {
    return api.ok<{ volumeKind: string }>("GET", "/_local/state");
}
