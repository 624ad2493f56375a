// core
import assert from "node:assert/strict";
import { Volume } from "../../providers/entry.ts";
import type { WireVolume } from "../../providers/fly/api/types.ts";
import { ownerMetadata } from "../../providers/fly/ownership.ts";
import type { VolumeInputs } from "../../providers/fly/volume/inputs.ts";
import { PartialFailure } from "../../providers/provider.ts";
import { failureOf, outsOf, OWNER, STRANGER } from "./support/flyFixture.ts";
import { MachineFixture } from "./support/machineFixture.ts";

describe("fly volume", function () {
    this.timeout(60_000);
    const on = new MachineFixture({ settings: { volumeReleaseMs: 1500 } });

    function inputs(change: Partial<VolumeInputs> = {}): VolumeInputs {
        return {
            endpoint: on.endpoint,
            app: on.app,
            name: "mosquitto_data",
            region: "lhr",
            sizeGb: 1,
            owner: OWNER,
            ...change,
        };
    }

    async function present(): Promise<WireVolume[]> {
        const volumes = await on.api.ok<WireVolume[]>("GET", `/apps/${on.app}/volumes`);
        return volumes.filter(({ state }) => state === "created");
    }

    async function machineOn(volume: string, owner = OWNER): Promise<string> {
        const config = {
            image: on.image,
            mounts: [{ volume, path: "/data" }],
            metadata: ownerMetadata(owner),
        };
        return (await on.api.start(on.app, config)).id;
    }

    it("is created with two requests", async () => {
        let made: Awaited<ReturnType<typeof Volume.create>> | undefined;
        const requests = await on.requestsOf(async () => {
            made = await Volume.create(inputs({ snapshotRetentionDays: 7 }));
        });
        const path = `/v1/apps/${on.app}/volumes 200`;
        assert.deepEqual(requests, [`GET ${path}`, `POST ${path}`]);
        assert.equal(made?.id, made?.outs?.volumeId);
        assert.equal(made?.outs?.encrypted, true);
        assert.equal((await present())[0]?.snapshot_retention, 7);
    });

    it("is the one that an earlier run created, grown to the declared size", async () => {
        const { id } = await Volume.create(inputs());
        const again = await Volume.create(inputs({ sizeGb: 2, snapshotRetentionDays: 9 }));
        assert.equal(again.id, id);
        const [only, ...more] = await present();
        assert.deepEqual(more, []);
        assert.equal(only?.size_gb, 2);
        assert.equal(only?.snapshot_retention, 9);
    });

    it("is not one with another name or region", async () => {
        await Volume.create(inputs());
        await Volume.create(inputs({ region: "ams" }));
        await Volume.create(inputs({ name: "other" }));
        assert.equal((await present()).length, 3);
    });

    it("is not one that another's machine holds, but is one that ours holds", async () => {
        const theirs = await Volume.create(inputs());
        await machineOn(theirs.id, STRANGER);
        const ours = await Volume.create(inputs());
        assert.notEqual(ours.id, theirs.id);
        await machineOn(ours.id);
        assert.equal((await Volume.create(inputs())).id, ours.id);
    });

    it("is refused if a leftover is larger than declared, with both numbers", async () => {
        const { id } = await Volume.create(inputs({ sizeGb: 5 }));
        const error = await failureOf(Volume.create(inputs({ sizeGb: 2 })));
        assert.match(error.message, new RegExp(`Volume ${id} .* has 5 GB; 2 GB are wanted`));
    });

    it("is none of several free ones: only the user knows which has the data", async () => {
        const path = `/apps/${on.app}/volumes`;
        const body = { name: "mosquitto_data", region: "lhr", size_gb: 1 };
        const [one, other] = [
            await on.api.ok<WireVolume>("POST", path, body),
            await on.api.ok<WireVolume>("POST", path, body),
        ];
        const error = await failureOf(Volume.create(inputs()));
        assert.match(error.message, /^Which volume has the data\?/);
        for (const { id, created_at } of [one, other]) {
            assert.match(
                error.message,
                new RegExp(`- volume ${id} .*1 GB, made ${created_at}.*attached to none`),
            );
        }
        assert.match(error.message, /`pulumi config set .* 'appkata-mqtt:import\.volume' ID`/);
        assert.equal((await present()).length, 2);
        assert.equal((await Volume.create(inputs({ importId: other.id }))).id, other.id);
    });

    it("is none of several that our machines hold, as after a clone", async () => {
        const { id } = await Volume.create(inputs());
        await machineOn(id);
        const { id: copy } = await on.api.ok<WireVolume>("POST", `/apps/${on.app}/volumes`, {
            ...{ name: "mosquitto_data", region: "lhr", size_gb: 1 },
        });
        // A clone has the owner's metadata too.
        const clone = await machineOn(copy);
        const error = await failureOf(Volume.create(inputs()));
        assert.match(error.message, /^Which volume has the data\?/);
        for (const one of [id, copy]) assert.match(error.message, new RegExp(`- volume ${one} `));
        await on.api.destroy(on.app, clone);
        assert.equal((await Volume.create(inputs())).id, id);
    });

    it("is another once that is imported, and the former stays", async () => {
        const former = await Volume.create(inputs());
        const { id } = await on.api.ok<WireVolume>("POST", `/apps/${on.app}/volumes`, {
            ...{ name: "mosquitto_data", region: "lhr", size_gb: 1 },
        });
        const news = inputs({ importId: id });
        const diff = await Volume.diff(former.id, outsOf(former), news);
        assert.deepEqual(diff.replaces, ["importId"]);
        const imported = await Volume.create(news);
        assert.equal(imported.id, id);
        assert.equal((await Volume.diff(id, outsOf(imported), news)).changes, false);
        const machine = await machineOn(id);
        await Volume.delete(former.id, outsOf(former));
        assert.deepEqual((await present()).map((one) => one.id).sort(), [former.id, id].sort());
        await on.api.destroy(on.app, machine);
        await Volume.delete(former.id, outsOf(former));
        assert.deepEqual(
            (await present()).map((one) => one.id),
            [id],
        );
    });

    it("is not a free one beside another's machine, and the error names the ways out", async () => {
        const { id } = await Volume.create(inputs());
        const machine = await machineOn((await Volume.create(inputs({ name: "other" }))).id);
        assert.equal((await Volume.create(inputs())).id, id);
        await on.api.destroy(on.app, machine);
        const theirs = await machineOn(
            (await Volume.create(inputs({ name: "third" }))).id,
            STRANGER,
        );
        const error = await failureOf(Volume.create(inputs()));
        assert.match(
            error.message,
            new RegExp(
                `^Volume ${id} "mosquitto_data" already exists and may be someone else's: ` +
                    `app "${on.app}" also holds machine ${theirs} .* stack prod\\.\n` +
                    `  Choose another app name; or .* \`fly volumes destroy ${id} -a ${on.app}\`$`,
            ),
        );
        assert.equal((await present()).filter(({ name }) => name === "mosquitto_data").length, 1);
    });

    for (const type of ["drop-before", "drop-after", "cut"] as const) {
        it(`is created once if the answer is lost (${type})`, async () => {
            const path = `/v1/apps/${on.app}/volumes`;
            await on.fault({ method: "POST", path, action: { type } });
            const { id } = await Volume.create(inputs());
            assert.deepEqual(
                (await present()).map((volume) => volume.id),
                [id],
            );
        });
    }

    it("changes its snapshots in place, and makes no request if they are right", async () => {
        const { id, outs } = await Volume.create(inputs());
        assert.ok(outs);
        const news = inputs({ snapshotRetentionDays: 14, autoBackup: false });
        const { outs: changed } = await Volume.update(id, outs, news);
        assert.ok(changed);
        assert.equal((await present())[0]?.auto_backup_enabled, false);
        const path = `/v1/apps/${on.app}/volumes/${id}`;
        const requests = await on.requestsOf(() => Volume.update(id, changed, news));
        assert.deepEqual(requests, [`GET ${path} 200`]);
    });

    it("that could not grow stays in the state with its size", async () => {
        const { id, outs } = await Volume.create(inputs());
        assert.ok(outs);
        const path = `/v1/apps/${on.app}/volumes/${id}/extend`;
        const body = { error: "no room", status: "volume_placement_capacity" };
        await on.fault({ method: "PUT", path, action: { type: "status", status: 422, body } });
        const news = { ...inputs({ sizeGb: 3 }), __provider: "code" };
        const error = await failureOf(Volume.update(id, outs, news));
        assert.ok(error instanceof PartialFailure);
        assert.equal(error.id, id);
        assert.deepEqual(error.properties, { ...outs, ...news, sizeGb: 1 });
        assert.match(error.reasons[0] ?? "", /422 volume_placement_capacity: no room/);
    });

    it("is read as grown by hand, and as gone", async () => {
        const { id, outs } = await Volume.create(inputs({ autoBackup: true }));
        assert.ok(outs);
        assert.deepEqual((await Volume.read(id, outs)).inputs, inputs({ autoBackup: true }));
        await on.api.ok("PUT", `/apps/${on.app}/volumes/${id}/extend`, { size_gb: 4 });
        await on.api.ok("PUT", `/apps/${on.app}/volumes/${id}`, {
            auto_backup_enabled: false,
        });
        const seen = await Volume.read(id, outs);
        assert.deepEqual(seen.inputs, inputs({ autoBackup: false, sizeGb: 4 }));
        const wanted = inputs({ autoBackup: true });
        assert.equal((await Volume.diff(id, seen.props ?? outs, wanted)).changes, true);
        await on.api.ok("DELETE", `/apps/${on.app}/volumes/${id}`);
        assert.deepEqual(await Volume.read(id, outs), {});
    });

    it("is deleted once its machine is detached, and deleting it again succeeds", async () => {
        const { id, outs } = await Volume.create(inputs());
        assert.ok(outs);
        await on.api.destroy(on.app, await machineOn(id));
        const requests = await on.requestsOf(() => Volume.delete(id, outs));
        const path = `/v1/apps/${on.app}/volumes/${id}`;
        assert.deepEqual(requests.slice(0, 2), [
            `GET /v1/apps/${on.app}/volumes 200`,
            `DELETE ${path} 412`,
        ]);
        assert.equal(requests.at(-1), `DELETE ${path} 200`);
        await Volume.delete(id, outs);
        assert.deepEqual(await present(), []);
    });

    it("is gone with its app", async () => {
        const made = await Volume.create(inputs());
        await on.deleteApp(on.app);
        await Volume.delete(made.id, outsOf(made));
        assert.deepEqual(await Volume.read(made.id, outsOf(made)), {});
    });
});
