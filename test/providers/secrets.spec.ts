// core
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { gunzipSync } from "node:zlib";
import { Machine, Secrets } from "../../providers/entry.ts";
import type { SecretsInputs, SecretsOutputs } from "../../providers/fly/secrets/inputs.ts";
import { brokerLike, failureOf, outsOf } from "./support/flyFixture.ts";
import { MachineFixture } from "./support/machineFixture.ts";

const FILES = { key: "first file\n", cert: "second\nfile\n" };
const NAMES = ["FILES_1", "FILES_2"];

describe("fly secrets", function () {
    this.timeout(60_000);
    const on = new MachineFixture();

    const inputs = (
        files: Record<string, string> = FILES,
        names: string[] = NAMES,
    ): SecretsInputs => ({ ...on.place, files, names });

    async function secretsAtFly(): Promise<Record<string, string>> {
        const { secrets } = await on.api.ok<{ secrets: { name: string; value: string }[] }>(
            "GET",
            `/apps/${on.app}/secrets?show_secrets=true`,
        );
        return Object.fromEntries(secrets.map(({ name, value }) => [name, value]));
    }

    /** The bundle's text, with its version number replaced. */
    async function atFly(names = NAMES): Promise<string> {
        const all = await secretsAtFly();
        const parts = names.map((name) => Buffer.from(all[name]!, "base64"));
        return gunzipSync(Buffer.concat(parts))
            .toString()
            .replace(/^(version 1\n)\d{13} /, "$1N ");
    }

    const BUNDLE = "key 1\nfirst file\ncert 2\nsecond\nfile\n";

    it("are set with one request, as one bundle in parts, and leave no file in the outputs", async () => {
        let made: Awaited<ReturnType<typeof Secrets.create>> | undefined;
        const requests = await on.requestsOf(async () => {
            made = await Secrets.create(inputs());
        });
        assert.deepEqual(requests, [`POST /v1/apps/${on.app}/secrets 200`]);
        assert.equal(await atFly(), `version 1\nN ${on.app}\n${BUNDLE}`);
        assert.equal(typeof made?.outs?.version, "number");
        assert.deepEqual(Object.keys(made?.outs?.digests ?? {}).sort(), NAMES);
        assert.doesNotMatch(JSON.stringify(made?.outs), /first file|second/);
    });

    it("of a changed file have a higher number, even if the clock was set back; others are unchanged", async () => {
        await on.api.ok("POST", `/apps/${on.app}/secrets`, { values: { THEIRS: "x" } });
        const { id, outs } = await Secrets.create(inputs());
        assert.ok(outs);
        const news = inputs({ key: "changed" });
        assert.equal((await Secrets.diff(id, outs, news)).changes, true);
        const ahead = { ...outs, number: Date.now() + 3_600_000 };
        const updated = outsOf(await Secrets.update(id, ahead, news));
        assert.equal(updated.number, ahead.number + 1);
        assert.equal(await atFly(), `version 1\nN ${on.app}\nkey 1\nchanged\n`);
        assert.equal((await secretsAtFly()).THEIRS, "x");
        assert.ok(updated.version > outs.version);
        assert.equal((await Secrets.diff(id, updated, news)).changes, false);
    });

    it("that no machine could start with are refused before any is set", async () => {
        const large = randomBytes(150_000).toString("base64");
        const { failures } = await Secrets.check({} as SecretsInputs, inputs({ key: large }));
        const [failure, ...more] = failures ?? [];
        assert.deepEqual(more, []);
        assert.match(
            failure!.reason,
            /^the files take \d{6} bytes .*, which has room for 192000: 96000 in each of 2 secrets$/,
        );
        const { id, outs } = await Secrets.create(inputs());
        const requests = await on.requestsOf(() =>
            failureOf(Secrets.update(id, outs!, inputs({ key: large }))),
        );
        assert.deepEqual(requests, []);
        const fits = await Secrets.check(
            {} as SecretsInputs,
            inputs({ key: large }, ["A", "B", "C"]),
        );
        assert.deepEqual(fits.failures, []);
    });

    it("with other names replace the previous ones, unless a machine still uses these", async () => {
        const { id, outs } = await Secrets.create(inputs());
        const one = inputs(FILES, ["FILES"]);
        assert.equal((await Secrets.diff(id, outs!, one)).changes, true);
        const image = on.image;
        const base = brokerLike(on, on.app, image);
        const config = {
            ...base.config,
            files: [{ guest_path: "/files.1", secret_name: "FILES_1" }],
        };
        const machine = await Machine.create({ ...base, config });
        const updated = outsOf(await Secrets.update(id, outs!, one));
        assert.deepEqual(Object.keys(await secretsAtFly()), ["FILES", "FILES_1"]);
        assert.equal((await Secrets.diff(id, updated, one)).changes, false, "no change by itself");
        assert.deepEqual((await Secrets.read(id, updated)).props, updated);
        await Machine.delete(machine.id, outsOf(machine));
        const later = inputs({ key: "later" }, ["FILES"]);
        const last = outsOf(await Secrets.update(id, updated, later));
        assert.deepEqual(Object.keys(await secretsAtFly()), ["FILES"]);
        await Secrets.delete(id, last);
        assert.deepEqual(await secretsAtFly(), {});
    });

    it("of a version with a secret per file are set again, and the previous ones removed", async () => {
        const { id, outs } = await Secrets.create(inputs());
        const { number, digest, names, ...rest } = outs!;
        assert.ok(number > 0 && digest && names);
        const old = {
            ...rest,
            digests: { KEY: "d", CERT: "e" },
            fingerprints: { KEY: "f", CERT: "g" },
        } as unknown as SecretsOutputs;
        await on.api.ok("POST", `/apps/${on.app}/secrets`, {
            values: { KEY: "x", CERT: "y" },
        });
        assert.equal((await Secrets.diff(id, old, inputs())).changes, true);
        const updated = outsOf(await Secrets.update(id, old, inputs()));
        assert.deepEqual(Object.keys(await secretsAtFly()), NAMES);
        assert.equal((await Secrets.diff(id, updated, inputs())).changes, false);
    });

    it("that are as declared cause no request", async () => {
        const { id, outs } = await Secrets.create(inputs());
        assert.ok(outs);
        assert.equal((await Secrets.diff(id, outs, inputs())).changes, false);
        assert.deepEqual(await on.requestsOf(() => Secrets.update(id, outs, inputs())), []);
    });

    it("that someone changed or removed are found, and set again", async () => {
        const { id, outs } = await Secrets.create(inputs());
        assert.ok(outs);
        for (const values of [{ FILES_1: "by hand" }, { FILES_2: null }]) {
            await on.api.ok("POST", `/apps/${on.app}/secrets`, { values });
            const { props: seen } = await Secrets.read(id, outs);
            assert.ok(seen);
            assert.equal((await Secrets.diff(id, seen, inputs())).changes, true);
            const again = outsOf(await Secrets.update(id, seen, inputs()));
            assert.equal(await atFly(), `version 1\nN ${on.app}\n${BUNDLE}`);
            assert.equal((await Secrets.diff(id, again, inputs())).changes, false);
        }
    });

    it("are read as they are, and as gone once all are", async () => {
        const { id, outs } = await Secrets.create(inputs());
        assert.ok(outs);
        assert.deepEqual((await Secrets.read(id, outs)).props, outs);
        await Secrets.delete(id, outs);
        assert.deepEqual(await secretsAtFly(), {});
        assert.deepEqual(await Secrets.read(id, outs), {});
        await Secrets.delete(id, outs);
    });

    it("are gone with their app", async () => {
        const { id, outs } = await Secrets.create(inputs());
        assert.ok(outs);
        await on.deleteApp(on.app);
        await Secrets.delete(id, outs);
        assert.deepEqual(await Secrets.read(id, outs), {});
    });

    it("are set even if the first answer is lost", async () => {
        const path = `/v1/apps/${on.app}/secrets`;
        await on.fault({ method: "POST", path, action: { type: "drop-after" } });
        await Secrets.create(inputs());
        assert.equal(await atFly(), `version 1\nN ${on.app}\n${BUNDLE}`);
    });
});
