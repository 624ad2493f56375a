// core
import assert from "node:assert/strict";
import { Machine, Secrets } from "../../providers/entry.ts";
import type { SecretsInputs, SecretsOutputs } from "../../providers/fly/secrets/inputs.ts";
import { failureOf, outsOf, STRANGER } from "./support/flyFixture.ts";
import { LiveFixture, OLDER } from "./support/liveFixture.ts";

/** Changes secrets, and checks the machine and the app's secrets for its next start. */
describe("fly secrets of a running machine", function () {
    this.timeout(90_000);
    const on = new LiveFixture();

    it("are checked, set and applied without a restart", async () => {
        const machine = await on.deploy();
        const { restartVersion } = on.secrets;
        const requests = await on.requestsOf(() => on.update(on.files("second passwords")));
        const path = `/v1/apps/${on.app}/machines`;
        assert.deepEqual(requests, [
            `GET ${path} 200`,
            `POST ${path}/${on.machineId}/lease 201`,
            `POST ${path}/${on.machineId}/exec 200`,
            `POST ${path}/${on.machineId}/exec 200`,
            `POST /v1/apps/${on.app}/secrets 200`,
            `POST ${path}/${on.machineId}/exec 200`,
            `DELETE ${path}/${on.machineId}/lease 200`,
        ]);
        assert.equal(await on.now(), "passwd second passwords\nserver.crt first certificate");
        assert.equal(await on.atFly(), "second passwords, first certificate");
        assert.equal(on.secrets.restartVersion, restartVersion);
        assert.ok(on.secrets.version > restartVersion);
        const same = await Machine.diff(on.machineId, machine, on.machineInputs());
        assert.equal(same.changes, false);
        const { instance_id } = await on.api.machine(on.app, on.machineId);
        assert.equal(instance_id, machine.instanceId);
    });

    for (const lost of [false, true]) {
        const what = lost ? "made again, where the state has lost them" : "changed";
        it(`are newer than the machine's, ${what} by a clock that is slow`, async () => {
            const machine = await on.deploy();
            const ahead = Date.now() + 1_000_000_000;
            await on.sh(`echo ${ahead} > /tmp/number`);
            const news = on.files("second passwords");
            if (lost) on.secrets = outsOf(await Secrets.create(news));
            else await on.update(news);
            assert.equal(on.secrets.number, ahead + 1);
            assert.equal(await on.now(), "passwd second passwords\nserver.crt first certificate");
            assert.equal((await Secrets.read(on.id, on.secrets)).props?.number, ahead + 1);
            const same = await Machine.diff(on.machineId, machine, on.machineInputs());
            assert.equal(same.changes, false);
        });
    }

    for (const [what, news, change] of [
        ["that the machine can only take at a start", () => on.files("RESTART"), {}],
        ["that an older image has no command for", () => on.files("second"), OLDER],
    ] as const) {
        it(`${what} update it`, async () => {
            const machine = await on.deploy(change);
            const before = on.secrets.version;
            await on.update(news());
            assert.ok(on.secrets.version > before);
            assert.equal(on.secrets.restartVersion, on.secrets.version);
            const wanted = on.machineInputs(change);
            assert.equal((await Machine.diff(on.machineId, machine, wanted)).changes, true);
            const changed = outsOf(await Machine.update(on.machineId, machine, wanted));
            assert.notEqual(changed.instanceId, machine.instanceId);
            if (what.includes("start")) assert.match(await on.now(), /^passwd RESTART/);
        });
    }

    it("are only set if the machine is stopped, missing or someone else's", async () => {
        const machine = await on.deploy();
        const path = `/v1/apps/${on.app}`;
        const onlySet = async (passwords: string) => {
            const requests = await on.requestsOf(() => on.update(on.files(passwords)));
            assert.deepEqual(requests, [`GET ${path}/machines 200`, `POST ${path}/secrets 200`]);
            assert.equal(on.secrets.restartVersion, on.secrets.version);
        };
        await on.api.ok("POST", `/apps/${on.app}/machines/${on.machineId}/metadata/pulumi_stack`, {
            value: STRANGER.stack,
        });
        await onlySet("another's");
        await on.api.stop(on.app, await on.api.machine(on.app, on.machineId));
        await onlySet("stopped");
        await Machine.delete(on.machineId, machine);
        await onlySet("gone");
    });

    it("are read as they were set if the machine cannot tell", async () => {
        await on.deploy(OLDER);
        assert.deepEqual((await Secrets.read(on.id, on.secrets)).props, on.secrets);
        await on.api.stop(on.app, await on.api.machine(on.app, on.machineId));
        assert.deepEqual((await Secrets.read(on.id, on.secrets)).props, on.secrets);
    });

    it("are the newest in a machine that is updated for another reason", async () => {
        const machine = await on.deploy();
        const guest = { cpu_kind: "shared", cpus: 1, memory_mb: 512 };
        const newestSecretsVersion = on.secrets.version + 1;
        const error = await failureOf(
            Machine.update(on.machineId, machine, {
                ...on.machineInputs({ guest }),
                newestSecretsVersion,
            }),
        );
        assert.match(error.message, new RegExp(`secrets version ${newestSecretsVersion} is not`));
    });

    it("of a version without `restartVersion` restart nothing", async () => {
        const machine = await on.deploy();
        const { restartVersion } = on.secrets;
        const old = Object.entries(on.secrets).filter(
            ([key]) => key !== "restartVersion" && key !== "live",
        );
        on.secrets = Object.fromEntries(old) as unknown as SecretsOutputs;
        const first = on.files("first passwords");
        assert.equal((await Secrets.diff("id", on.secrets, first)).changes, true);
        assert.deepEqual(await on.requestsOf(() => on.update(first)), []);
        assert.equal(on.secrets.restartVersion, restartVersion);
        assert.equal((await Secrets.diff("id", on.secrets, first)).changes, false);
        assert.equal(
            (await Machine.diff(on.machineId, machine, on.machineInputs())).changes,
            false,
        );
    });

    describe("are read as drift, and set again, if the machine", () => {
        const drifts = async (files: SecretsInputs) => {
            const { props: seen } = await Secrets.read(on.id, on.secrets);
            const { changes } = await Secrets.diff(on.id, seen!, files);
            on.secrets = seen!;
            return changes;
        };

        for (const [what, spoil] of [
            ["has fallen back to older ones", "echo 1700000000000 > /tmp/number"],
            ["has one that was changed by hand", "sed -i 's/second/their/' /tmp/now"],
            ["would fall back at a restart", "echo 1700000000000 > /tmp/restart"],
        ] as const) {
            it(what, async () => {
                await on.deploy();
                const news = on.files("second passwords");
                await on.update(news);
                assert.equal(await drifts(news), false);
                await on.sh(spoil);
                assert.equal(await drifts(news), true);
                await on.sh("rm -f /tmp/restart");
                await on.update(news);
                assert.equal(
                    await on.now(),
                    "passwd second passwords\nserver.crt first certificate",
                );
                assert.equal(await drifts(news), false);
            });
        }
    });
});
