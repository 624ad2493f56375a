// core
import assert from "node:assert/strict";
import { Machine } from "../../providers/entry.ts";
import { MachineFixture } from "./support/machineFixture.ts";

describe("fly machine: delete", function () {
    this.timeout(90_000);
    const on = new MachineFixture();

    it("stops, removes, waits until it is gone, and succeeds again", async () => {
        const { id, outs } = await on.make();
        const requests = await on.requestsOf(() => Machine.delete(id, outs));
        const one = `/v1/apps/${on.app}/machines/${id}`;
        assert.ok(requests.indexOf(`POST ${one}/stop 200`) < requests.indexOf(`DELETE ${one} 200`));
        assert.deepEqual(await on.present(), []);
        await Machine.delete(id, outs);
    });

    it("waits for a lease that someone holds", async () => {
        const { id, outs } = await on.make();
        await on.api.ok("POST", `/apps/${on.app}/machines/${id}/lease`, { ttl: 2 });
        await Machine.delete(id, outs);
        assert.deepEqual(await on.present(), []);
    });
});
