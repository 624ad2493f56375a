// core
import assert from "node:assert/strict";
import { IpAddress } from "../../providers/entry.ts";
import type { IpAddressInputs, IpType } from "../../providers/fly/ip.ts";
import { AppFixture, failureOf } from "./support/flyFixture.ts";

describe("fly address", function () {
    this.timeout(60_000);
    const on = new AppFixture();

    const inputs = (type: IpType): IpAddressInputs => ({ ...on.place, type });

    async function assigned(): Promise<string[]> {
        const path = `/apps/${on.app}/ip_assignments`;
        const { ips } = await on.api.ok<{ ips: { ip: string }[] }>("GET", path);
        return ips.map(({ ip }) => ip);
    }

    for (const [type, pattern, shared] of [
        ["v4", /^[\d.]+$/, false],
        ["v6", /:/, false],
        ["shared_v4", /^[\d.]+$/, true],
    ] as const) {
        it(`of type ${type} is created, read and released`, async () => {
            const { id, outs } = await IpAddress.create(inputs(type));
            assert.ok(outs);
            assert.match(outs.address, pattern);
            assert.equal(outs.shared, shared);
            assert.equal(id, outs.address);
            const seen = await IpAddress.read(id, outs);
            assert.deepEqual(seen.props, outs);
            assert.deepEqual(seen.inputs, inputs(type));
            await IpAddress.delete(id, outs);
            assert.deepEqual(await assigned(), []);
            assert.deepEqual(await IpAddress.read(id, outs), {});
            await IpAddress.delete(id, outs);
        });
    }

    it("takes three requests for two created at once", async () => {
        const requests = await on.requestsOf(() =>
            Promise.all([IpAddress.create(inputs("v4")), IpAddress.create(inputs("v6"))]),
        );
        const path = `/v1/apps/${on.app}/ip_assignments 200`;
        assert.deepEqual(requests, [`GET ${path}`, `POST ${path}`, `POST ${path}`]);
    });

    it("is the one of its type that an earlier run created", async () => {
        const made = await Promise.all([
            IpAddress.create(inputs("v4")),
            IpAddress.create(inputs("v6")),
            IpAddress.create(inputs("shared_v4")),
        ]);
        for (const { id, outs } of made) {
            assert.ok(outs);
            assert.equal((await IpAddress.create(inputs(outs.type))).id, id);
        }
        assert.equal((await assigned()).length, 3);
    });

    for (const type of ["drop-before", "drop-after", "cut"] as const) {
        it(`is created once if the answer is lost (${type})`, async () => {
            const path = `/v1/apps/${on.app}/ip_assignments`;
            await on.fault({ method: "POST", path, action: { type } });
            const { id } = await IpAddress.create(inputs("v6"));
            assert.deepEqual(await assigned(), [id]);
        });
    }

    it("is gone with its app", async () => {
        const { id, outs } = await IpAddress.create(inputs("v6"));
        assert.ok(outs);
        await on.deleteApp(on.app);
        await IpAddress.delete(id, outs);
        assert.deepEqual(await IpAddress.read(id, outs), {});
    });

    it("is not recorded at an endpoint where it does not exist", async () => {
        const { id, outs } = await IpAddress.create(inputs("v6"));
        assert.ok(outs);
        await IpAddress.delete(id, outs);
        const error = await failureOf(IpAddress.update(id, outs, inputs("v6")));
        assert.match(error.message, /pulumi up --refresh/);
    });
});
