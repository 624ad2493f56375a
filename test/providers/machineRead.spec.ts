// core
import assert from "node:assert/strict";
import { Machine } from "../../providers/entry.ts";
import { outsOf } from "./support/flyFixture.ts";
import { MachineFixture } from "./support/machineFixture.ts";

describe("fly machine: read", function () {
    this.timeout(90_000);
    const on = new MachineFixture();

    it("finds no difference if nobody changed anything", async () => {
        const wanted = on.withConfig({
            env: { A: "1" },
            services: [
                {
                    protocol: "tcp",
                    internal_port: 1883,
                    ports: [{ port: 10000 }],
                    autostop: "off",
                    autostart: true,
                    checks: [{ type: "tcp", interval: "90s", timeout: "2s" }],
                },
            ],
        });
        // The first check may run before the machine listens, and Fly runs the next a minute later.
        const patient = { ...wanted, timeouts: { create: 80, update: 30, delete: 30 } };
        const { id, outs } = await on.make(patient);
        const seen = await Machine.read(id, outs);
        assert.deepEqual(seen.props, outs);
        assert.deepEqual(seen.inputs, patient);
    });

    for (const [what, change] of [
        ["environment", { env: { BY: "hand" } }],
        ["memory", { guest: { cpu_kind: "shared", cpus: 1, memory_mb: 512 } }],
        ["restart policy", { restart: { policy: "no" } }],
        ["a removed check", { checks: {} }],
        ["a service", { services: [{ protocol: "tcp", internal_port: 1, ports: [{ port: 2 }] }] }],
        ["stop signal", { stop_config: { signal: "SIGINT", timeout: "5s" } }],
    ] as const) {
        it(`finds ${what} changed by hand, and an update reverts it`, async () => {
            const { id, outs } = await on.make();
            const { config } = await on.api.machine(on.app, id);
            await on.api.ok("POST", `/apps/${on.app}/machines/${id}`, {
                config: { ...config, ...change },
            });
            await on.api.wait(on.app, id, "started");
            const { props: seen } = await Machine.read(id, outs);
            assert.ok(seen);
            assert.equal(await on.changes(id, seen, on.inputs()), true);
            const again = outsOf(await Machine.update(id, seen, on.inputs()));
            assert.equal(await on.changes(id, again, on.inputs()), false);
            const { props: settled } = await Machine.read(id, again);
            assert.deepEqual(settled, again);
        });
    }

    for (const [what, method, path, body] of [
        ["its stack is not said any more", "DELETE", "metadata/pulumi_stack"],
        ["its owner is not said any more", "DELETE", "metadata/managed_by"],
        ["another owner is said", "POST", "metadata/managed_by", { value: "them" }],
        ["its process group is gone", "DELETE", "metadata/fly_process_group"],
        ["there are metadata of someone's", "POST", "metadata/theirs", { value: "1" }],
        ["it is cordoned", "POST", "cordon"],
    ] as const) {
        it(`finds that ${what}, and an update reverts it without a restart`, async () => {
            const { id, outs } = await on.make();
            const machine = await on.api.machine(on.app, id);
            await on.api.ok(method, `/apps/${on.app}/machines/${id}/${path}`, body);
            const { props: seen } = await Machine.read(id, outs);
            assert.ok(seen);
            assert.equal(await on.changes(id, seen, on.inputs()), true);
            const again = outsOf(await Machine.update(id, seen, on.inputs()));
            assert.deepEqual(again, outs);
            const now = await on.api.machine(on.app, id);
            assert.deepEqual(now.config, machine.config);
            assert.equal(now.cordoned, false);
            assert.deepEqual((await Machine.read(id, again)).props, outs);
        });
    }

    it("finds nothing once it is gone", async () => {
        const { id, outs } = await on.make();
        await on.api.destroy(on.app, id);
        assert.deepEqual(await Machine.read(id, outs), {});
    });
});
