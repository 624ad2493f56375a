import assert from "node:assert/strict";
import { App } from "../../providers/entry.ts";
import type { AppInputs } from "../../providers/fly/app.ts";
import { ownerMetadata } from "../../providers/fly/ownership.ts";
import { pushImage } from "../local/support/image.ts";
import { failureOf, FlyFixture, outsOf, OWNER, STRANGER } from "./support/flyFixture.ts";

describe("fly app", function () {
    this.timeout(60_000);
    let fixture: FlyFixture;
    let count = 0;

    before(async () => {
        fixture = await FlyFixture.start();
    });
    after(() => fixture.close());
    afterEach(() => fixture.noFaults());

    function inputs(change: Partial<AppInputs> = {}): AppInputs {
        return {
            endpoint: fixture.endpoint,
            name: `app-${++count}`,
            organization: "personal",
            owner: OWNER,
            ...change,
        };
    }

    async function exists(name: string): Promise<boolean> {
        return (await fixture.api.call("GET", `/apps/${name}`)).status === 200;
    }

    it("is made with one request", async () => {
        const wanted = inputs();
        let made: Awaited<ReturnType<typeof App.create>> | undefined;
        const requests = await fixture.requestsOf(async () => {
            made = await App.create(wanted);
        });
        assert.deepEqual(requests, ["POST /v1/apps 201"]);
        assert.equal(made?.id, wanted.name);
        assert.equal(made?.outs?.hostname, `${wanted.name}.fly.dev`);
        assert.notEqual(made?.outs?.appId, "");
    });

    it("is adopted, empty, when an earlier run made it", async () => {
        const wanted = inputs();
        await App.create(wanted);
        const again = await App.create(wanted);
        assert.equal(again.id, wanted.name);
        assert.equal(again.outs?.hostname, `${wanted.name}.fly.dev`);
    });

    it("is adopted with machines of ours, refused with another stack's", async () => {
        const wanted = inputs();
        await App.create(wanted);
        const image = await pushImage(fixture.fly, wanted.name);
        const config = { image, metadata: ownerMetadata(OWNER) };
        await fixture.api.ok("POST", `/apps/${wanted.name}/machines`, {
            name: "ours",
            config,
            skip_launch: true,
        });
        assert.equal((await App.create(wanted)).id, wanted.name);

        const theirs = { image, metadata: ownerMetadata(STRANGER) };
        const { id } = await fixture.api.ok<{ id: string }>(
            "POST",
            `/apps/${wanted.name}/machines`,
            { name: "theirs", config: theirs, skip_launch: true },
        );
        const error = await failureOf(App.create(wanted));
        assert.match(
            error.message,
            new RegExp(
                `^App "${wanted.name}" exists and is run by Pulumi project appkata-mqtt, stack prod: ` +
                    `it holds machine ${id} "theirs"`,
            ),
        );
        assert.match(error.message, /adopt: true/);
        assert.equal((await App.create({ ...wanted, adopt: true })).id, wanted.name);

        const kept = await failureOf(
            App.delete(wanted.name, outsOf(await App.create({ ...wanted, adopt: true }))),
        );
        assert.match(kept.message, new RegExp(`is not deleted: it also holds machine ${id}`));
        assert.equal(await exists(wanted.name), true);
    });

    it("is refused when the name is someone else's", async () => {
        const wanted = inputs();
        await fixture.api.ok("POST", "/_local/apps", { name: wanted.name, organization: "others" });
        const error = await failureOf(App.create(wanted));
        assert.match(
            error.message,
            new RegExp(`^App name "${wanted.name}" is taken by someone else: names are unique`),
        );
    });

    it("is refused with an organisation that the token cannot use, and says so", async () => {
        const error = await failureOf(App.create(inputs({ organization: "nobody" })));
        assert.match(error.message, /^POST \/v1\/apps: 4\d\d/);
    });

    for (const type of ["drop-before", "drop-after", "cut"] as const) {
        it(`is made once when the answer is lost (${type})`, async () => {
            const wanted = inputs();
            await fixture.fault({ method: "POST", path: "/v1/apps", action: { type } });
            assert.equal((await App.create(wanted)).id, wanted.name);
            const { apps } = await fixture.api.ok<{ apps: { name: string }[] }>(
                "GET",
                "/apps?org_slug=personal",
            );
            assert.equal(apps.filter(({ name }) => name === wanted.name).length, 1);
        });
    }

    it("is read as it is, and as gone once it is", async () => {
        const wanted = inputs();
        const { id, outs } = await App.create(wanted);
        assert.ok(outs);
        const seen = await App.read(id, outs);
        assert.equal(seen.id, id);
        assert.deepEqual(seen.inputs, wanted);
        assert.equal((await App.diff(id, seen.props ?? outs, wanted)).changes, false);
        await App.delete(id, outs);
        assert.deepEqual(await App.read(id, outs), {});
    });

    it("is deleted to its end, and again without complaint", async () => {
        const { id, outs } = await App.create(inputs());
        assert.ok(outs);
        await App.delete(id, outs);
        assert.equal(await exists(id), false);
        await App.delete(id, outs);
    });

    it("records another endpoint only where the app is there", async () => {
        const wanted = inputs();
        const { id, outs } = await App.create(wanted);
        assert.ok(outs);
        const news = { ...wanted, endpoint: `${fixture.endpoint}/` };
        assert.equal((await App.update(id, outs, news)).outs?.endpoint, news.endpoint);
        await App.delete(id, outs);
        const error = await failureOf(App.update(id, outs, news));
        assert.match(error.message, /is not at http.*\n.*use another stack/);
    });
});
