// core
import assert from "node:assert/strict";
import { gunzipSync } from "node:zlib";
import { Machine, Secrets } from "../../providers/entry.ts";
import type { MachineInputs } from "../../providers/fly/machine/inputs.ts";
import type { SecretsInputs, SecretsOutputs } from "../../providers/fly/secrets/inputs.ts";
import type { PartialFailure } from "../../providers/provider.ts";
import { pushImage } from "../../dev/harness/image.ts";
import { APPLY, BROKER_FILES, CHECK, LISTEN, readAtStart, STATE } from "../support/liveMachine.ts";
import {
    brokerLike,
    failureOf,
    FlyFixture,
    OWNER,
    outsOf,
    STRANGER,
} from "./support/flyFixture.ts";

/** Output of an image without the command. */
const OLDER = { cmd: ["/bin/sh", "-c", LISTEN] };
const HASH = "$7$101$c2FsdHNhbHRzYWx0$" + "aGFzaA".repeat(10);

/** Changes secrets, and checks the machine and the app's secrets for its next start. */
describe("fly secrets of a running machine", function () {
    this.timeout(90_000);
    let fixture: FlyFixture;
    let image: string;
    let app: string;
    let machineId: string;
    let secrets: SecretsOutputs;
    let count = 0;

    before(async () => {
        fixture = await FlyFixture.start();
        await fixture.api.app("images");
        image = await pushImage(fixture.fly, "images");
    });
    after(() => fixture.close());
    beforeEach(async () => {
        app = `live-${++count}`;
        await fixture.api.app(app);
    });
    afterEach(() => fixture.noFaults());

    const inputs = (passwords: string, certificate = "first certificate"): SecretsInputs => ({
        endpoint: fixture.endpoint,
        app,
        files: { passwd: passwords, "server.crt": certificate },
        names: ["FILES"],
        live: { machine: "mosquitto", owner: OWNER, check: CHECK, apply: APPLY, state: STATE },
    });

    function machineInputs(change: Partial<MachineInputs["config"]> = {}): MachineInputs {
        const base = brokerLike(fixture, app, image);
        const init = { cmd: ["/bin/sh", "-c", readAtStart("FILES") + LISTEN] };
        return {
            ...base,
            secretsVersion: secrets.restartVersion,
            newestSecretsVersion: secrets.version,
            config: { ...base.config, init, files: [BROKER_FILES], ...change },
        };
    }

    async function deployed(change: Partial<MachineInputs["config"]> = {}) {
        secrets = outsOf(await Secrets.create(inputs("first passwords")));
        const made = await Machine.create(machineInputs(change));
        machineId = made.id;
        return outsOf(made);
    }

    const update = async (news: SecretsInputs) =>
        (secrets = outsOf(await Secrets.update(`${app}/secrets`, secrets, news)));
    const now = () => fixture.api.shell(app, machineId, "cat /tmp/now");
    const applied = () => fixture.api.shell(app, machineId, "grep -c apply /tmp/done");

    /** The lines of the files. */
    async function atFly(): Promise<string> {
        const { secrets: all } = await fixture.api.ok<{ secrets: { value: string }[] }>(
            "GET",
            `/apps/${app}/secrets?show_secrets=true`,
        );
        const lines = gunzipSync(Buffer.from(all[0]!.value, "base64")).toString().split("\n");
        return lines.filter((_, at) => at % 2 === 1 && at > 1).join(", ");
    }

    const execFault = (nth: number, times: number, status: number) =>
        fixture.fault({
            method: "POST",
            path: `/v1/apps/${app}/machines/*/exec`,
            nth,
            times,
            action: { type: "status", status, body: { error: "internal" } },
        });

    it("are checked, set and applied without a restart", async () => {
        const machine = await deployed();
        const { restartVersion } = secrets;
        const requests = await fixture.requestsOf(() => update(inputs("second passwords")));
        const path = `/v1/apps/${app}/machines`;
        assert.deepEqual(requests, [
            `GET ${path} 200`,
            `POST ${path}/${machineId}/lease 201`,
            `POST ${path}/${machineId}/exec 200`,
            `POST ${path}/${machineId}/exec 200`,
            `POST /v1/apps/${app}/secrets 200`,
            `POST ${path}/${machineId}/exec 200`,
            `DELETE ${path}/${machineId}/lease 200`,
        ]);
        assert.equal(await now(), "passwd second passwords\nserver.crt first certificate");
        assert.equal(await atFly(), "second passwords, first certificate");
        assert.equal(secrets.restartVersion, restartVersion);
        assert.ok(secrets.version > restartVersion);
        const same = await Machine.diff(machineId, machine, machineInputs());
        assert.equal(same.changes, false);
        const { instance_id } = await fixture.api.machine(app, machineId);
        assert.equal(instance_id, machine.instanceId);
    });

    for (const lost of [false, true]) {
        const what = lost ? "made again, where the state has lost them" : "changed";
        it(`are newer than the machine's, ${what} by a clock that is slow`, async () => {
            const machine = await deployed();
            const ahead = Date.now() + 1_000_000_000;
            await fixture.api.shell(app, machineId, `echo ${ahead} > /tmp/number`);
            const news = inputs("second passwords");
            if (lost) secrets = outsOf(await Secrets.create(news));
            else await update(news);
            assert.equal(secrets.number, ahead + 1);
            assert.equal(await now(), "passwd second passwords\nserver.crt first certificate");
            assert.equal((await Secrets.read(`${app}/secrets`, secrets)).props?.number, ahead + 1);
            const same = await Machine.diff(machineId, machine, machineInputs());
            assert.equal(same.changes, false);
        });
    }

    it("that the machine refuses are not set, and the update says why", async () => {
        await deployed();
        const refused = inputs(`REFUSED\ntester:${HASH}`);
        const error = await failureOf(Secrets.update(`${app}/secrets`, secrets, refused));
        assert.match(error.message, /^Machine \S+ "mosquitto" refuses the changed secrets/);
        assert.match(error.message, /Nothing was changed: .*stay in force/);
        assert.match(error.message, /\n {2}broker-files: line 1 is wrong:\n {2}passwd REFUSED\n/);
        assert.match(error.message, /tester:\[secret\]/);
        assert.doesNotMatch(error.message, /aGFzaA/);
        assert.equal(await atFly(), "first passwords, first certificate");
        assert.equal(await now(), "passwd first passwords\nserver.crt first certificate");
    });

    for (const [what, news, change] of [
        ["that the machine can only take at a start", () => inputs("RESTART"), {}],
        [
            "that an older image has no command for",
            () => inputs("second"),
            { init: OLDER, files: [] },
        ],
    ] as const) {
        it(`${what} update it`, async () => {
            const machine = await deployed(change);
            const before = secrets.version;
            await update(news());
            assert.ok(secrets.version > before);
            assert.equal(secrets.restartVersion, secrets.version);
            const wanted = machineInputs(change);
            assert.equal((await Machine.diff(machineId, machine, wanted)).changes, true);
            const changed = outsOf(await Machine.update(machineId, machine, wanted));
            assert.notEqual(changed.instanceId, machine.instanceId);
            if (what.includes("start")) assert.match(await now(), /^passwd RESTART/);
        });
    }

    it("are only set if the machine is stopped, missing or someone else's", async () => {
        const machine = await deployed();
        const path = `/v1/apps/${app}`;
        const onlySet = async (passwords: string) => {
            const requests = await fixture.requestsOf(() => update(inputs(passwords)));
            assert.deepEqual(requests, [`GET ${path}/machines 200`, `POST ${path}/secrets 200`]);
            assert.equal(secrets.restartVersion, secrets.version);
        };
        await fixture.api.ok("POST", `/apps/${app}/machines/${machineId}/metadata/pulumi_stack`, {
            value: STRANGER.stack,
        });
        await onlySet("another's");
        await fixture.api.stop(app, await fixture.api.machine(app, machineId));
        await onlySet("stopped");
        await Machine.delete(machineId, machine);
        await onlySet("gone");
    });

    it("are applied by the next update if this one could not", async () => {
        await deployed();
        const { restartVersion } = secrets;
        const first = inputs("first passwords");
        await fixture.api.shell(app, machineId, "touch /tmp/stuck");
        const id = `${app}/secrets`;
        const error = await failureOf(Secrets.update(id, secrets, inputs("second passwords")));
        assert.match(error.message, /has not taken the changed secrets \(exit code 1\)/);
        assert.match(error.message, /still has the old ones\.\n {2}broker-files: no space left\n/);
        assert.match(error.message, /The app has the new secrets/);
        assert.equal(await now(), "passwd first passwords\nserver.crt first certificate");
        const { properties, id: kept } = error as PartialFailure;
        assert.equal(kept, id);
        secrets = properties as SecretsOutputs;
        assert.equal(secrets.restartVersion, restartVersion);
        // Whatever values are declared by then, including those of before.
        assert.equal((await Secrets.diff(id, secrets, first)).changes, true);
        await fixture.api.shell(app, machineId, "rm /tmp/stuck");
        await update(first);
        assert.equal(await atFly(), "first passwords, first certificate");
        await update(inputs("second passwords"));
        assert.equal(await now(), "passwd second passwords\nserver.crt first certificate");
        assert.equal(secrets.restartVersion, restartVersion);
    });

    it("are applied although answers are lost", async () => {
        await deployed();
        const path = `/v1/apps/${app}/machines/*/exec`;
        for (const nth of [1, 3, 5]) {
            await fixture.fault({ method: "POST", path, nth, action: { type: "drop-after" } });
        }
        const { restartVersion } = secrets;
        await update(inputs("second passwords"));
        await fixture.noFaults();
        assert.equal(await now(), "passwd second passwords\nserver.crt first certificate");
        assert.equal(secrets.restartVersion, restartVersion);
        assert.equal(await applied(), "2");
    });

    it("are left as they are when the machine cannot be asked", async () => {
        await deployed();
        await execFault(1, 0, 403);
        const error = await failureOf(
            Secrets.update(`${app}/secrets`, secrets, inputs("second passwords")),
        );
        assert.match(error.message, /^POST \S+\/exec: 403/);
        await fixture.noFaults();
        assert.equal(await atFly(), "first passwords, first certificate");
    });

    it("are reported as set but maybe not in force if the machine cannot be asked afterwards", async () => {
        await deployed();
        await execFault(3, 0, 400);
        const error = await failureOf(
            Secrets.update(`${app}/secrets`, secrets, inputs("second passwords")),
        );
        assert.match(error.message, /may not have taken the changed secrets: POST \S+\/exec: 400/);
        await fixture.noFaults();
        assert.equal(await atFly(), "second passwords, first certificate");
        assert.deepEqual(
            (error as PartialFailure as { properties: SecretsOutputs }).properties.fingerprints,
            {},
        );
    });

    it("restart a machine that has stopped since it was read", async () => {
        await deployed();
        const body = { error: "failed_precondition: machine not started, currently stopped" };
        await fixture.fault({
            method: "POST",
            path: `/v1/apps/${app}/machines/*/exec`,
            nth: 2,
            action: { type: "status", status: 412, body },
        });
        await update(inputs("second passwords"));
        assert.equal(secrets.restartVersion, secrets.version);
    });

    it("do not show in an error that echoes them", async () => {
        await deployed();
        const news = inputs(`tester:${HASH}`);
        const body = { error: `bad stdin of ${HASH}` };
        await fixture.fault({
            method: "POST",
            path: `/v1/apps/${app}/machines/*/exec`,
            nth: 2,
            action: { type: "status", status: 400, body },
        });
        const error = await failureOf(Secrets.update(`${app}/secrets`, secrets, news));
        assert.match(error.message, /bad stdin of \[secret\]/);
    });

    describe("are read as drift, and set again, if the machine", () => {
        const drifts = async (files: SecretsInputs) => {
            const id = `${app}/secrets`;
            const { props: seen } = await Secrets.read(id, secrets);
            const { changes } = await Secrets.diff(id, seen!, files);
            secrets = seen!;
            return changes;
        };

        for (const [what, spoil] of [
            ["has fallen back to older ones", "echo 1700000000000 > /tmp/number"],
            ["has one that was changed by hand", "sed -i 's/second/their/' /tmp/now"],
            ["would fall back at a restart", "echo 1700000000000 > /tmp/restart"],
        ] as const) {
            it(what, async () => {
                await deployed();
                const news = inputs("second passwords");
                await update(news);
                assert.equal(await drifts(news), false);
                await fixture.api.shell(app, machineId, spoil);
                assert.equal(await drifts(news), true);
                await fixture.api.shell(app, machineId, "rm -f /tmp/restart");
                await update(news);
                assert.equal(await now(), "passwd second passwords\nserver.crt first certificate");
                assert.equal(await drifts(news), false);
            });
        }
    });

    it("are read as they were set if the machine cannot tell", async () => {
        await deployed({ init: OLDER, files: [] });
        const id = `${app}/secrets`;
        assert.deepEqual((await Secrets.read(id, secrets)).props, secrets);
        await fixture.api.stop(app, await fixture.api.machine(app, machineId));
        assert.deepEqual((await Secrets.read(id, secrets)).props, secrets);
    });

    it("are the newest in a machine that is updated for another reason", async () => {
        const machine = await deployed();
        const guest = { cpu_kind: "shared", cpus: 1, memory_mb: 512 };
        const newestSecretsVersion = secrets.version + 1;
        const error = await failureOf(
            Machine.update(machineId, machine, {
                ...machineInputs({ guest }),
                newestSecretsVersion,
            }),
        );
        assert.match(error.message, new RegExp(`secrets version ${newestSecretsVersion} is not`));
    });

    it("of a version without `restartVersion` restart nothing", async () => {
        const machine = await deployed();
        const { restartVersion } = secrets;
        const old = Object.entries(secrets).filter(
            ([key]) => key !== "restartVersion" && key !== "live",
        );
        secrets = Object.fromEntries(old) as unknown as SecretsOutputs;
        const first = inputs("first passwords");
        assert.equal((await Secrets.diff("id", secrets, first)).changes, true);
        assert.deepEqual(await fixture.requestsOf(() => update(first)), []);
        assert.equal(secrets.restartVersion, restartVersion);
        assert.equal((await Secrets.diff("id", secrets, first)).changes, false);
        assert.equal((await Machine.diff(machineId, machine, machineInputs())).changes, false);
    });
});
