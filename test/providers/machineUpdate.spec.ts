// core
import assert from "node:assert/strict";
import { Machine } from "../../providers/entry.ts";
import type { MachineOutputs } from "../../providers/fly/machine/inputs.ts";
import { PartialFailure } from "../../providers/provider.ts";
import { DEAF, failureOf, outsOf } from "./support/flyFixture.ts";
import { MachineFixture } from "./support/machineFixture.ts";

describe("fly machine: update", function () {
    this.timeout(90_000);
    const on = new MachineFixture();

    it("leases, fences, waits for the new instance, and releases the lease", async () => {
        const { id, outs } = await on.make();
        const news = on.withConfig({ env: { NEW: "1" } });
        assert.equal(await on.changes(id, outs, news), true);
        let updated: MachineOutputs | undefined;
        const requests = await on.requestsOf(async () => {
            updated = outsOf(await Machine.update(id, outs, news));
        });
        const one = `/v1/apps/${on.app}/machines/${id}`;
        assert.deepEqual(requests.slice(0, 5), [
            `GET ${one} 200`,
            `POST ${one}/lease 201`,
            `GET ${one} 200`,
            `POST ${one} 200`,
            `GET ${one}/wait 200`,
        ]);
        assert.equal(requests.at(-1), `DELETE ${one}/lease 200`);
        assert.notEqual(updated?.instanceId, outs.instanceId);
        assert.equal(await on.api.shell(on.app, id, "echo $NEW"), "1");
        assert.equal(updated && (await on.changes(id, updated, news)), false);
    });

    it("is not misled by a stale read, nor is a create", async () => {
        const path = "/v1/apps/*/machines/*";
        await on.fault({ method: "GET", path, action: { type: "stale" } });
        const { id, outs } = await on.make();
        // The first two are from before the change.
        await on.fault({ method: "GET", path, nth: 3, action: { type: "stale" } });
        const news = on.withConfig({ env: { NEW: "1" } });
        const updated = outsOf(await Machine.update(id, outs, news));
        const seen = await on.api.machine(on.app, id);
        assert.equal(updated.instanceId, seen.instance_id);
    });

    it("gives the machine new secrets", async () => {
        const { version } = await on.api.ok<{ version: number }>(
            "POST",
            `/apps/${on.app}/secrets`,
            { values: { WORD: "old" } },
        );
        const { id, outs } = await on.make(on.inputs({ secretsVersion: version }));
        const { version: newer } = await on.api.ok<{ version: number }>(
            "POST",
            `/apps/${on.app}/secrets`,
            { values: { WORD: "new" } },
        );
        const news = on.inputs({ secretsVersion: newer });
        const updated = outsOf(await Machine.update(id, outs, news));
        assert.equal(await on.api.shell(on.app, id, "echo $WORD"), "new");
        assert.notEqual(updated.instanceId, outs.instanceId);
        assert.equal(await on.changes(id, updated, news), false);
    });

    it("leaves a machine alone that has newer secrets than required, such as another writer's", async () => {
        const values = (WORD: string) => ({ values: { WORD } });
        const set = (word: string) =>
            on.api.ok<{ version: number }>("POST", `/apps/${on.app}/secrets`, values(word));
        const { version } = await set("same");
        const { id, outs } = await on.make(on.inputs({ secretsVersion: version }));
        const { version: newer } = await set("same");
        const theirs = on.inputs({ secretsVersion: newer });
        const { instanceId } = outsOf(await Machine.update(id, outs, theirs));
        const { props: seen } = await Machine.read(id, outs);
        assert.ok(seen);
        assert.equal(seen.secretsVersion, version);
        assert.equal(await on.changes(id, seen, on.inputs({ secretsVersion: version })), false);
        const mine = on.inputs({ secretsVersion: version });
        assert.equal(outsOf(await Machine.update(id, seen, mine)).instanceId, instanceId);
    });

    it("changes metadata without a restart", async () => {
        const { id, outs } = await on.make(on.withConfig({ metadata: { a: "1", b: "2" } }));
        const news = {
            ...on.withConfig({ metadata: { a: "3" } }),
            owner: { project: "appkata-mqtt", stack: "renamed" },
        };
        const updated = outsOf(await Machine.update(id, outs, news));
        assert.equal(updated.instanceId, outs.instanceId);
        const { config } = await on.api.machine(on.app, id);
        assert.equal(config.metadata?.a, "3");
        assert.equal(config.metadata?.b, undefined);
        assert.equal(config.metadata?.pulumi_stack, "renamed");
    });

    it("starts a machine that someone stopped", async () => {
        const { id, outs } = await on.make();
        await on.api.stop(on.app, await on.api.machine(on.app, id));
        const { props: seen } = await Machine.read(id, outs);
        assert.equal(seen?.state, "stopped");
        assert.ok(seen);
        assert.equal(await on.changes(id, seen, on.inputs()), true);
        const updated = outsOf(await Machine.update(id, seen, on.inputs()));
        assert.equal(updated.state, "started");
        assert.equal(updated.instanceId, outs.instanceId);
    });

    it("changes nothing when run again", async () => {
        const { id, outs } = await on.make();
        const news = on.withConfig({ env: { NEW: "1" } });
        await Machine.update(id, outs, news);
        const requests = await on.requestsOf(() => Machine.update(id, outs, news));
        assert.ok(
            requests.every((line) => line.startsWith("GET ")),
            requests.join("\n"),
        );
    });

    for (const type of ["drop-before", "drop-after", "cut"] as const) {
        it(`is done once if the answer is lost (${type})`, async () => {
            const { id, outs } = await on.make();
            const path = `/v1/apps/${on.app}/machines/${id}`;
            await on.fault({ method: "POST", path, action: { type } });
            const updated = outsOf(
                await Machine.update(id, outs, on.withConfig({ env: { NEW: "1" } })),
            );
            const seen = await on.api.machine(on.app, id);
            assert.equal(seen.instance_id, updated.instanceId);
            const versions = await on.api.ok<unknown[]>(
                "GET",
                `/apps/${on.app}/machines/${id}/versions`,
            );
            assert.equal(versions.length, 2);
        });
    }

    it("releases its lease even if Fly refuses that for a moment", async () => {
        const { id, outs } = await on.make();
        const body = { error: "aborted: machine update failed due to concurrent update" };
        const action = { type: "status", status: 409, body } as const;
        const path = `/v1/apps/*/machines/*/lease`;
        await on.fault({ method: "DELETE", path, action });
        await Machine.update(id, outs, on.withConfig({ env: { NEW: "1" } }));
        const lease = await on.api.call("GET", `/apps/${on.app}/machines/${id}/lease`);
        assert.equal(lease.status, 404, lease.text);
    });

    it("waits for a lease that someone holds", async () => {
        const { id, outs } = await on.make();
        await on.api.ok("POST", `/apps/${on.app}/machines/${id}/lease`, { ttl: 2 });
        const requests = await on.requestsOf(() =>
            Machine.update(id, outs, on.withConfig({ env: { NEW: "1" } })),
        );
        const lease = `POST /v1/apps/${on.app}/machines/${id}/lease`;
        assert.ok(requests.includes(`${lease} 409`));
        assert.ok(requests.includes(`${lease} 201`));
    });

    it("names the lease's owner if it lasts too long", async () => {
        const { id, outs } = await on.make();
        await on.api.ok("POST", `/apps/${on.app}/machines/${id}/lease`, { ttl: 60 });
        const news = { ...on.withConfig({ env: { NEW: "1" } }), timeouts: { update: 1 } };
        const error = await failureOf(Machine.update(id, outs, news));
        assert.match(
            error.message,
            /leased by someone else for the whole 1 s: .*lease currently held by/,
        );
    });

    it("rolls back when the new instance is not healthy", async () => {
        const { id, outs } = await on.make();
        const bad = {
            ...on.withConfig({ init: { cmd: DEAF }, env: { BAD: "1" } }),
            timeouts: { update: 4 },
            __provider: "code",
        };
        const error = await failureOf(Machine.update(id, outs, bad));
        assert.ok(error instanceof PartialFailure);
        assert.match(error.reasons[0] ?? "", /is not healthy after 4 s: .*health check mqtt/);
        assert.match(error.reasons[0] ?? "", /previous configuration is restored and healthy/);
        const seen = await on.api.machine(on.app, id);
        assert.equal(seen.state, "started");
        assert.equal(seen.checks[0]?.status, "passing");
        assert.equal(JSON.stringify(seen.config).includes("BAD"), false);
        // The state has what runs, so the next `up` tries again.
        const state = error.properties as MachineOutputs & { __provider: string };
        assert.equal(state.__provider, "code");
        assert.equal(state.instanceId, seen.instance_id);
        assert.equal(await on.changes(id, state, bad), true);
        assert.equal(await on.changes(id, state, on.inputs()), false);
    });

    it("reports a machine that is gone", async () => {
        const { id, outs } = await on.make();
        await on.api.destroy(on.app, id);
        const error = await failureOf(Machine.update(id, outs, on.inputs()));
        assert.match(error.message, /is not at http.*\n.*pulumi up --refresh/);
    });
});
