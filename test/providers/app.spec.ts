// core
import assert from "node:assert/strict";
import { App } from "../../providers/entry.ts";
import type { AppInputs } from "../../providers/fly/app/inputs.ts";
import { ownerMetadata, type Owner } from "../../providers/fly/ownership.ts";
import { pushImage } from "../../dev/harness/image.ts";
import { failureOf, FlyFixture, OWNER, STRANGER } from "./support/flyFixture.ts";

describe("fly app", function () {
    this.timeout(60_000);
    const on = new FlyFixture();
    let count = 0;

    function inputs(change: Partial<AppInputs> = {}): AppInputs {
        return {
            endpoint: on.endpoint,
            name: `app-${++count}`,
            organization: "personal",
            owner: OWNER,
            ...change,
        };
    }

    async function exists(name: string): Promise<boolean> {
        return (await on.api.call("GET", `/apps/${name}`)).status === 200;
    }

    it("is created with one request", async () => {
        const wanted = inputs();
        let made: Awaited<ReturnType<typeof App.create>> | undefined;
        const requests = await on.requestsOf(async () => {
            made = await App.create(wanted);
        });
        assert.deepEqual(requests, ["POST /v1/apps 201"]);
        assert.equal(made?.id, wanted.name);
        assert.equal(made?.outs?.hostname, `${wanted.name}.fly.dev`);
        assert.notEqual(made?.outs?.appId, "");
    });

    it("is adopted if empty and created by an earlier run", async () => {
        const wanted = inputs();
        await App.create(wanted);
        const again = await App.create(wanted);
        assert.equal(again.id, wanted.name);
        assert.equal(again.outs?.hostname, `${wanted.name}.fly.dev`);
    });

    it("is not adopted if empty while another run continues to fill it", async () => {
        const wanted = inputs();
        await App.create(wanted);
        const late = setTimeout(() => void secretIn(wanted.name), 3000);
        const { message } = await failureOf(App.create(wanted));
        clearTimeout(late);
        assert.match(message, /exists and is not this stack's: it holds secret KEY/);
    });

    async function machineIn(app: string, name: string, owner?: Owner): Promise<string> {
        const image = await pushImage(on.fly, app);
        const config = { image, ...(owner && { metadata: ownerMetadata(owner) }) };
        const body = { name, config, skip_launch: true };
        const path = `/apps/${app}/machines`;
        return (await on.api.ok<{ id: string }>("POST", path, body)).id;
    }

    async function volumeIn(app: string): Promise<string> {
        const body = { name: "data", region: "lhr", size_gb: 1 };
        return (await on.api.ok<{ id: string }>("POST", `/apps/${app}/volumes`, body)).id;
    }

    async function secretIn(app: string): Promise<void> {
        await on.api.ok("POST", `/apps/${app}/secrets`, { values: { KEY: "dmFsdWU=" } });
    }

    const WAYS_OUT =
        /\n {2}Choose another app name; or .* `fly apps destroy (app-\d+)` \(DELETE \/v1\/apps\/\1\?force=true\)\.$/;

    /** Ways to fill an app, with what the refusal calls each. */
    const FOREIGN: Record<string, (app: string) => Promise<string>> = {
        "a volume": async (app) => `volume ${await volumeIn(app)} "data"`,
        "a secret": async (app) => {
            await secretIn(app);
            return "secret KEY";
        },
        "an address": async (app) => {
            const path = `/apps/${app}/ip_assignments`;
            const { ip } = await on.api.ok<{ ip: string }>("POST", path, { type: "v6" });
            return `address ${ip}`;
        },
        "another stack's machine": async (app) => {
            const id = await machineIn(app, "theirs", STRANGER);
            return `machine ${id} "theirs" of Pulumi project appkata-mqtt, stack prod`;
        },
        "a machine without an owner": async (app) => {
            const id = await machineIn(app, "by-hand");
            return `machine ${id} "by-hand" of someone else`;
        },
        "a machine of ours and another's": async (app) => {
            await machineIn(app, "ours", OWNER);
            return `machine ${await machineIn(app, "theirs", STRANGER)} "theirs"`;
        },
    };
    for (const [what, put] of Object.entries(FOREIGN)) {
        it(`is refused, and left alone, if it exists and holds ${what}`, async () => {
            const wanted = inputs();
            await on.api.app(wanted.name);
            const named = await put(wanted.name);
            const { message } = await failureOf(App.create(wanted));
            const start = `App "${wanted.name}" exists and is not this stack's: it holds ${named}`;
            assert.equal(message.slice(0, start.length), start);
            assert.match(message, WAYS_OUT);
            assert.equal(await exists(wanted.name), true);
        });
    }

    it("is adopted with our machines and everything beside them", async () => {
        const wanted = inputs();
        await App.create(wanted);
        await volumeIn(wanted.name);
        await secretIn(wanted.name);
        await machineIn(wanted.name, "ours", OWNER);
        assert.equal((await App.create(wanted)).id, wanted.name);
    });

    it("is adopted if only a volume that is being deleted is left", async () => {
        const wanted = inputs();
        await App.create(wanted);
        const volume = await volumeIn(wanted.name);
        await on.api.ok("DELETE", `/apps/${wanted.name}/volumes/${volume}`);
        assert.equal((await App.create(wanted)).id, wanted.name);
    });

    it("is not deleted while it holds another's machine", async () => {
        const { id, outs } = await App.create(inputs());
        assert.ok(outs);
        await machineIn(id, "ours", OWNER);
        const theirs = await machineIn(id, "theirs", STRANGER);
        const { message } = await failureOf(App.delete(id, outs));
        assert.match(
            message,
            new RegExp(`^App "${id}" is not deleted: it also holds machine ${theirs} "theirs" of`),
        );
        assert.match(message, new RegExp(`fly machine destroy ID -a ${id}`));
        assert.equal(await exists(id), true);
        await on.api.ok("DELETE", `/apps/${id}/machines/${theirs}?force=true`);
        await App.delete(id, outs);
        assert.equal(await exists(id), false);
    });

    it("is refused when the name is someone else's", async () => {
        const wanted = inputs();
        await on.api.ok("POST", "/_local/apps", { name: wanted.name, organization: "others" });
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
        it(`is created once if the answer is lost (${type})`, async () => {
            const wanted = inputs();
            await on.fault({ method: "POST", path: "/v1/apps", action: { type } });
            assert.equal((await App.create(wanted)).id, wanted.name);
            const { apps } = await on.api.ok<{ apps: { name: string }[] }>(
                "GET",
                "/apps?org_slug=personal",
            );
            assert.equal(apps.filter(({ name }) => name === wanted.name).length, 1);
        });
    }

    it("of a run killed a moment ago is adopted, although not all of Fly knows it yet", async () => {
        const wanted = inputs();
        await on.api.app(wanted.name);
        await on.fault({
            method: "GET",
            path: `/v1/apps/${wanted.name}/machines`,
            times: 2,
            action: { type: "status", status: 404, body: { error: "app not found" } },
        });
        assert.equal((await App.create(wanted)).id, wanted.name);
    });

    it("is read, and reported gone once deleted", async () => {
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

    it("is deleted completely, and deleting it again succeeds", async () => {
        const { id, outs } = await App.create(inputs());
        assert.ok(outs);
        await App.delete(id, outs);
        assert.equal(await exists(id), false);
        await App.delete(id, outs);
    });

    it("records another endpoint only if the app exists there", async () => {
        const wanted = inputs();
        const { id, outs } = await App.create(wanted);
        assert.ok(outs);
        const news = { ...wanted, endpoint: `${on.endpoint}/` };
        assert.equal((await App.update(id, outs, news)).outs?.endpoint, news.endpoint);
        await App.delete(id, outs);
        const error = await failureOf(App.update(id, outs, news));
        assert.match(error.message, /is not at http.*\n.*use another stack/);
    });
});
