// core
import assert from "node:assert/strict";
import { Secrets } from "../../providers/entry.ts";
import type { SecretsInputs } from "../../providers/fly/secrets-inputs.ts";
import { failureOf, FlyFixture, outsOf } from "./support/flyFixture.ts";

const VALUES = { KEY: "first value", CERT: "second\nvalue" };

describe("fly secrets", function () {
    this.timeout(60_000);
    let fixture: FlyFixture;
    let app: string;
    let count = 0;

    before(async () => {
        fixture = await FlyFixture.start();
    });
    after(() => fixture.close());
    beforeEach(async () => {
        app = `secrets-${++count}`;
        await fixture.api.app(app);
    });
    afterEach(() => fixture.noFaults());

    const inputs = (values: Record<string, string> = VALUES): SecretsInputs => ({
        endpoint: fixture.endpoint,
        app,
        values,
    });

    async function atFly(): Promise<Record<string, string>> {
        const { secrets } = await fixture.api.ok<{ secrets: { name: string; value: string }[] }>(
            "GET",
            `/apps/${app}/secrets?show_secrets=true`,
        );
        return Object.fromEntries(secrets.map(({ name, value }) => [name, value]));
    }

    it("are set with one request, and leave no value in the outputs", async () => {
        let made: Awaited<ReturnType<typeof Secrets.create>> | undefined;
        const requests = await fixture.requestsOf(async () => {
            made = await Secrets.create(inputs());
        });
        assert.deepEqual(requests, [`POST /v1/apps/${app}/secrets 200`]);
        assert.deepEqual(await atFly(), VALUES);
        assert.equal(typeof made?.outs?.version, "number");
        assert.deepEqual(Object.keys(made?.outs?.digests ?? {}).sort(), ["CERT", "KEY"]);
        assert.doesNotMatch(JSON.stringify(made?.outs), /first value|second/);
    });

    it("that changed are set, those left out removed, others left alone", async () => {
        await fixture.api.ok("POST", `/apps/${app}/secrets`, { values: { THEIRS: "x" } });
        const { id, outs } = await Secrets.create(inputs());
        assert.ok(outs);
        const news = inputs({ KEY: "changed value", NEW: "new value" });
        assert.equal((await Secrets.diff(id, outs, news)).changes, true);
        const updated = outsOf(await Secrets.update(id, outs, news));
        assert.deepEqual(await atFly(), {
            KEY: "changed value",
            NEW: "new value",
            THEIRS: "x",
        });
        assert.ok(updated.version > outs.version);
        assert.deepEqual(Object.keys(updated.digests).sort(), ["KEY", "NEW"]);
        assert.equal((await Secrets.diff(id, updated, news)).changes, false);
    });

    it("that are as wanted make no request", async () => {
        const { id, outs } = await Secrets.create(inputs());
        assert.ok(outs);
        assert.equal((await Secrets.diff(id, outs, inputs())).changes, false);
        assert.deepEqual(await fixture.requestsOf(() => Secrets.update(id, outs, inputs())), []);
    });

    it("that someone changed or removed are seen, and set again", async () => {
        const { id, outs } = await Secrets.create(inputs());
        assert.ok(outs);
        for (const values of [{ KEY: "by hand" }, { CERT: null }]) {
            await fixture.api.ok("POST", `/apps/${app}/secrets`, { values });
            const { props: seen } = await Secrets.read(id, outs);
            assert.ok(seen);
            assert.equal((await Secrets.diff(id, seen, inputs())).changes, true);
            const again = outsOf(await Secrets.update(id, seen, inputs()));
            assert.deepEqual(await atFly(), VALUES);
            assert.equal((await Secrets.diff(id, again, inputs())).changes, false);
        }
    });

    it("are read as they are, and as gone once all are", async () => {
        const { id, outs } = await Secrets.create(inputs());
        assert.ok(outs);
        assert.deepEqual((await Secrets.read(id, outs)).props, outs);
        await Secrets.delete(id, outs);
        assert.deepEqual(await atFly(), {});
        assert.deepEqual(await Secrets.read(id, outs), {});
        await Secrets.delete(id, outs);
    });

    it("are gone with their app", async () => {
        const { id, outs } = await Secrets.create(inputs());
        assert.ok(outs);
        await fixture.deleteApp(app);
        await Secrets.delete(id, outs);
        assert.deepEqual(await Secrets.read(id, outs), {});
    });

    it("are set although the first answer is lost", async () => {
        const path = `/v1/apps/${app}/secrets`;
        await fixture.fault({ method: "POST", path, action: { type: "drop-after" } });
        await Secrets.create(inputs());
        assert.deepEqual(await atFly(), VALUES);
    });

    it("do not show in an error that echoes them", async () => {
        const path = `/v1/apps/${app}/secrets`;
        const body = { error: `bad value ${VALUES.KEY} and ${JSON.stringify(VALUES.CERT)}` };
        await fixture.fault({
            method: "POST",
            path,
            action: { type: "status", status: 400, body },
        });
        const error = await failureOf(Secrets.create(inputs()));
        assert.match(error.message, /bad value \[secret\] and "\[secret\]"/);
    });
});
