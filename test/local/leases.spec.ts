// core
import assert from "node:assert/strict";
import type { MachineView } from "../../dev/harness/api.ts";
import { until } from "../../dev/harness/until.ts";
import { AppFixture } from "./support/appFixture.ts";

describe("local Fly: leases", function () {
    this.timeout(60_000);
    const on = new AppFixture("box");
    const path = "/apps/box/machines";

    it("refuses everyone without a lease's nonce", async () => {
        const machine = await on.api.start("box", { image: on.image });
        const one = `${path}/${machine.id}`;
        await on.api.refused(404, "lease not found", "GET", `${one}/lease`);
        type Lease = { status: string; data: { nonce: string; expires_at: number } };
        const taken = await on.api.call<Lease>("POST", `${one}/lease?ttl=30`);
        assert.equal(taken.status, 201);
        assert.equal(taken.body.status, "success");
        const { nonce, expires_at: expires } = taken.body.data;
        const at = new Date(expires * 1000).toISOString().replace(".000Z", "Z");
        const held = `aborted: machine ID ${machine.id} lease currently held by local@tokens.fly.io, expires at ${at}`;
        const headers = { "fly-machine-lease-nonce": nonce };
        for (const [method, end] of [
            ["POST", ""],
            ["POST", "/stop"],
            ["POST", "/restart"],
            ["POST", "/cordon"],
            ["POST", "/lease"],
            ["DELETE", "/lease"],
            ["DELETE", "?force=true"],
            ["POST", "/metadata/key"],
        ] as const) {
            const body =
                method === "POST" ? { config: { image: on.image }, value: "x" } : undefined;
            await on.api.refused(409, held, method, `${one}${end}`, body);
        }
        const wrong = { "fly-machine-lease-nonce": "000000000000" };
        await on.api.refused(409, held, "POST", `${one}/stop`, {}, wrong);
        const refreshed = await on.api.ok<Lease>("POST", `${one}/lease?ttl=60`, undefined, headers);
        assert.equal(refreshed.data.nonce, nonce);
        assert.ok(refreshed.data.expires_at >= expires);
        await on.api.ok("POST", `${one}/cordon`, {}, headers);
        assert.equal((await on.api.call("DELETE", `${one}/lease`, undefined, headers)).status, 200);
        await on.api.destroy("box", machine.id);
    });

    it("lets a lease expire", async () => {
        const made = await on.api.ok<MachineView>("POST", path, {
            config: { image: on.image },
            skip_launch: true,
            lease_ttl: 1,
        });
        assert.match(made.nonce ?? "", /^[0-9a-f]+$/);
        assert.equal((await on.api.call("POST", `${path}/${made.id}/cordon`)).status, 409);
        await until(
            "the lease is over",
            async () => (await on.api.call("POST", `${path}/${made.id}/cordon`)).status === 200,
        );
        await on.api.destroy("box", made.id);
    });

    it("grants no lease longer than its setting", async () => {
        const { id } = await on.api.ok<MachineView>("POST", path, {
            config: { image: on.image },
            skip_launch: true,
        });
        const seconds = async () => {
            const taken = await on.api.ok<{ data: { nonce: string; expires_at: number } }>(
                "POST",
                `${path}/${id}/lease?ttl=100`,
            );
            const headers = { "fly-machine-lease-nonce": taken.data.nonce };
            await on.api.ok("DELETE", `${path}/${id}/lease`, undefined, headers);
            return taken.data.expires_at - Date.now() / 1000;
        };
        assert.ok((await seconds()) > 50);
        await on.api.ok("PUT", "/_local/settings", { leaseMaxS: 10 });
        assert.ok((await seconds()) <= 10);
        await on.api.ok("PUT", "/_local/settings", { leaseMaxS: 0 });
        assert.ok((await seconds()) > 50);
        await on.api.destroy("box", id);
    });
});
