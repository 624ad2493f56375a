// core
import assert from "node:assert/strict";
import { startLocalFly } from "../../dev/fly/index.ts";
import type { LocalFly } from "../../dev/fly/index.ts";
import { Api } from "../../dev/harness/api.ts";
import type { MachineView } from "../../dev/harness/api.ts";
import { pushImage } from "../../dev/harness/image.ts";
import { until } from "../../dev/harness/until.ts";

describe("local Fly: leases", function () {
    this.timeout(60_000);
    let fly: LocalFly;
    let api: Api;
    let image: string;
    const path = "/apps/box/machines";

    before(async () => {
        fly = await startLocalFly();
        api = new Api(fly);
        await api.app("box");
        image = await pushImage(fly, "box");
    });
    after(() => fly?.close());

    it("refuses everyone without a lease's nonce", async () => {
        const machine = await api.start("box", { image });
        const one = `${path}/${machine.id}`;
        await api.refused(404, "lease not found", "GET", `${one}/lease`);
        type Lease = { status: string; data: { nonce: string; expires_at: number } };
        const taken = await api.call<Lease>("POST", `${one}/lease?ttl=30`);
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
            const body = method === "POST" ? { config: { image }, value: "x" } : undefined;
            await api.refused(409, held, method, `${one}${end}`, body);
        }
        const wrong = { "fly-machine-lease-nonce": "000000000000" };
        await api.refused(409, held, "POST", `${one}/stop`, {}, wrong);
        const refreshed = await api.ok<Lease>("POST", `${one}/lease?ttl=60`, undefined, headers);
        assert.equal(refreshed.data.nonce, nonce);
        assert.ok(refreshed.data.expires_at >= expires);
        await api.ok("POST", `${one}/cordon`, {}, headers);
        assert.equal((await api.call("DELETE", `${one}/lease`, undefined, headers)).status, 200);
        await api.destroy("box", machine.id);
    });

    it("lets a lease expire", async () => {
        const made = await api.ok<MachineView>("POST", path, {
            config: { image },
            skip_launch: true,
            lease_ttl: 1,
        });
        assert.match(made.nonce ?? "", /^[0-9a-f]+$/);
        assert.equal((await api.call("POST", `${path}/${made.id}/cordon`)).status, 409);
        await until(
            "the lease is over",
            async () => (await api.call("POST", `${path}/${made.id}/cordon`)).status === 200,
        );
        await api.destroy("box", made.id);
    });

    it("grants no lease longer than its setting", async () => {
        const { id } = await api.ok<MachineView>("POST", path, {
            config: { image },
            skip_launch: true,
        });
        const seconds = async () => {
            const taken = await api.ok<{ data: { nonce: string; expires_at: number } }>(
                "POST",
                `${path}/${id}/lease?ttl=100`,
            );
            const headers = { "fly-machine-lease-nonce": taken.data.nonce };
            await api.ok("DELETE", `${path}/${id}/lease`, undefined, headers);
            return taken.data.expires_at - Date.now() / 1000;
        };
        assert.ok((await seconds()) > 50);
        await api.ok("PUT", "/_local/settings", { leaseMaxS: 10 });
        assert.ok((await seconds()) <= 10);
        await api.ok("PUT", "/_local/settings", { leaseMaxS: 0 });
        assert.ok((await seconds()) > 50);
        await api.destroy("box", id);
    });
});
