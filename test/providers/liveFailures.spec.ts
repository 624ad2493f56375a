// core
import assert from "node:assert/strict";
import { Secrets } from "../../providers/entry.ts";
import type { SecretsOutputs } from "../../providers/fly/secrets/inputs.ts";
import type { PartialFailure } from "../../providers/provider.ts";
import { failureOf } from "./support/flyFixture.ts";
import { LiveFixture } from "./support/liveFixture.ts";

const HASH = "$7$101$c2FsdHNhbHRzYWx0$" + "aGFzaA".repeat(10);

/** The machine refuses changed secrets, or cannot be asked. */
describe("fly secrets that a running machine does not take", function () {
    this.timeout(90_000);
    const on = new LiveFixture();

    it("that the machine refuses are not set, and the update says why", async () => {
        await on.deploy();
        const refused = on.files(`REFUSED\ntester:${HASH}`);
        const error = await failureOf(Secrets.update(on.id, on.secrets, refused));
        assert.match(error.message, /^Machine \S+ "mosquitto" refuses the changed secrets/);
        assert.match(error.message, /Nothing was changed: .*stay in force/);
        assert.match(error.message, /\n {2}broker-files: line 1 is wrong:\n {2}passwd REFUSED\n/);
        assert.match(error.message, /tester:\[secret\]/);
        assert.doesNotMatch(error.message, /aGFzaA/);
        assert.equal(await on.atFly(), "first passwords, first certificate");
        assert.equal(await on.now(), "passwd first passwords\nserver.crt first certificate");
    });

    it("are applied by the next update if this one could not", async () => {
        await on.deploy();
        const { restartVersion } = on.secrets;
        const first = on.files("first passwords");
        await on.sh("touch /tmp/stuck");
        const error = await failureOf(
            Secrets.update(on.id, on.secrets, on.files("second passwords")),
        );
        assert.match(error.message, /has not taken the changed secrets \(exit code 1\)/);
        assert.match(error.message, /still has the old ones\.\n {2}broker-files: no space left\n/);
        assert.match(error.message, /The app has the new secrets/);
        assert.equal(await on.now(), "passwd first passwords\nserver.crt first certificate");
        const { properties, id: kept } = error as PartialFailure;
        assert.equal(kept, on.id);
        on.secrets = properties as SecretsOutputs;
        assert.equal(on.secrets.restartVersion, restartVersion);
        // Whatever values are declared by then, including those of before.
        assert.equal((await Secrets.diff(on.id, on.secrets, first)).changes, true);
        await on.sh("rm /tmp/stuck");
        await on.update(first);
        assert.equal(await on.atFly(), "first passwords, first certificate");
        await on.update(on.files("second passwords"));
        assert.equal(await on.now(), "passwd second passwords\nserver.crt first certificate");
        assert.equal(on.secrets.restartVersion, restartVersion);
    });

    it("are applied although answers are lost", async () => {
        await on.deploy();
        const path = `/v1/apps/${on.app}/machines/*/exec`;
        for (const nth of [1, 3, 5]) {
            await on.fault({ method: "POST", path, nth, action: { type: "drop-after" } });
        }
        const { restartVersion } = on.secrets;
        await on.update(on.files("second passwords"));
        await on.noFaults();
        assert.equal(await on.now(), "passwd second passwords\nserver.crt first certificate");
        assert.equal(on.secrets.restartVersion, restartVersion);
        assert.equal(await on.sh("grep -c apply /tmp/done"), "2");
    });

    it("are left as they are when the machine cannot be asked", async () => {
        await on.deploy();
        await on.execFault({ nth: 1, times: 0, status: 403 });
        const error = await failureOf(
            Secrets.update(on.id, on.secrets, on.files("second passwords")),
        );
        assert.match(error.message, /^POST \S+\/exec: 403/);
        await on.noFaults();
        assert.equal(await on.atFly(), "first passwords, first certificate");
    });

    it("are reported as set but maybe not in force if the machine cannot be asked afterwards", async () => {
        await on.deploy();
        await on.execFault({ nth: 3, times: 0, status: 400 });
        const error = await failureOf(
            Secrets.update(on.id, on.secrets, on.files("second passwords")),
        );
        assert.match(error.message, /may not have taken the changed secrets: POST \S+\/exec: 400/);
        await on.noFaults();
        assert.equal(await on.atFly(), "second passwords, first certificate");
        assert.deepEqual(
            (error as PartialFailure as { properties: SecretsOutputs }).properties.fingerprints,
            {},
        );
    });

    it("restart a machine that has stopped since it was read", async () => {
        await on.deploy();
        const error = "failed_precondition: machine not started, currently stopped";
        await on.execFault({ nth: 2, status: 412, error });
        await on.update(on.files("second passwords"));
        assert.equal(on.secrets.restartVersion, on.secrets.version);
    });

    it("do not show in an error that echoes them", async () => {
        await on.deploy();
        const news = on.files(`tester:${HASH}`);
        await on.execFault({ nth: 2, status: 400, error: `bad stdin of ${HASH}` });
        const error = await failureOf(Secrets.update(on.id, on.secrets, news));
        assert.match(error.message, /bad stdin of \[secret\]/);
    });
});
