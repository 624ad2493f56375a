// core
import assert from "node:assert/strict";
import { App, Certificate, IpAddress, Machine, Secrets, Volume } from "../../providers/entry.ts";
import { flyClient } from "../../providers/fly/api/client.ts";
import { preflight } from "../../providers/fly/preflight.ts";
import { pushImage } from "../../dev/harness/image.ts";
import { hasDocument, OpenApi } from "../local/support/openapi.ts";
import { issue, makeAuthority } from "../../dev/harness/certificates.ts";
import { APPLY, BROKER_FILES, CHECK, STATE } from "../support/liveMachine.ts";
import { brokerLike, FlyFixture, OWNER, outsOf } from "./support/flyFixture.ts";

/** Makes every request of the providers. Those that only another spec makes are checked there. */
const ROUTES = [
    "DELETE /apps/{app_name}",
    "DELETE /apps/{app_name}/certificates/{hostname}",
    "DELETE /apps/{app_name}/certificates/{hostname}/acme",
    "DELETE /apps/{app_name}/ip_assignments/{ip}",
    "DELETE /apps/{app_name}/machines/{machine_id}",
    "DELETE /apps/{app_name}/machines/{machine_id}/lease",
    "DELETE /apps/{app_name}/machines/{machine_id}/metadata/{key}",
    "DELETE /apps/{app_name}/volumes/{volume_id}",
    "GET /apps",
    "GET /apps/{app_name}",
    "GET /apps/{app_name}/certificates/{hostname}",
    "GET /apps/{app_name}/ip_assignments",
    "GET /apps/{app_name}/machines",
    "GET /apps/{app_name}/machines/{machine_id}",
    "GET /apps/{app_name}/machines/{machine_id}/wait",
    "GET /apps/{app_name}/secrets",
    "GET /apps/{app_name}/volumes",
    "GET /apps/{app_name}/volumes/{volume_id}",
    "GET /apps/{app_name}/volumes/{volume_id}/snapshots",
    "GET /platform/regions",
    "POST /apps",
    "POST /apps/{app_name}/certificates/acme",
    "POST /apps/{app_name}/ip_assignments",
    "POST /apps/{app_name}/machines",
    "POST /apps/{app_name}/machines/{machine_id}",
    "POST /apps/{app_name}/machines/{machine_id}/cordon",
    "POST /apps/{app_name}/machines/{machine_id}/exec",
    "POST /apps/{app_name}/machines/{machine_id}/lease",
    "POST /apps/{app_name}/machines/{machine_id}/metadata/{key}",
    "POST /apps/{app_name}/machines/{machine_id}/start",
    "POST /apps/{app_name}/machines/{machine_id}/stop",
    "POST /apps/{app_name}/machines/{machine_id}/uncordon",
    "POST /apps/{app_name}/secrets",
    "POST /apps/{app_name}/volumes",
    "POST /apps/{app_name}/volumes/{volume_id}/snapshots",
    "PUT /apps/{app_name}/volumes/{volume_id}",
    "PUT /apps/{app_name}/volumes/{volume_id}/extend",
];

const APP = "requests";
const HOSTNAME = "mqtt.example.com";

/** Skipped where the document is not. */
const suite = hasDocument ? describe : describe.skip;

suite("requests of the providers against Fly's OpenAPI document", function () {
    this.timeout(120_000);
    const on = new FlyFixture({ settings: { volumeReleaseMs: 0 } });

    it("are all in the document, and so are the answers", async () => {
        await everything(on);
        assert.deepEqual([...on.wire.problems], []);
        assert.deepEqual([...on.wire.routes].sort(), ROUTES);
    });

    it("need each of the corrections", () => {
        assert.deepEqual(
            OpenApi.correctedRequests.filter((key) => !on.wire.document?.used.has(key)),
            [],
        );
    });

    it("are checked: one that is not in the document is a problem", async () => {
        const client = flyClient(on.endpoint);
        await client.post(["apps"], { body: { name: "watched", org_slug: "personal", nam: 1 } });
        assert.match([...on.wire.problems].join(), /^POST \/apps: .*"nam"/);
        on.wire.problems.clear();
    });

    for (const [what, method, path, body, problem] of [
        ["an unknown path", "GET", "/apps/a/volume", undefined, "the document has no GET"],
        ["an unknown method", "PATCH", "/apps/a", undefined, "the document has no PATCH"],
        ["an unknown parameter", "GET", "/apps/a/machines?states=x", undefined, "no query"],
        ["a parameter that is missing", "GET", "/apps", undefined, "org_slug is required"],
        ["a body where none is", "DELETE", "/apps/a/volumes/v", {}, "has no body for it"],
        ["an unknown property", "POST", "/apps/a/volumes", { size: 1 }, '"size"'],
        [
            "one deep in a config",
            "POST",
            "/apps/a/machines",
            { config: { guest: { memory: 256 } } },
            '"memory"',
        ],
        ["a wrong type", "POST", "/apps/a/volumes", { size_gb: "1" }, "must be integer"],
        ["a secret that is no text", "POST", "/apps/a/secrets", { values: { A: 1 } }, "must be"],
    ] as const) {
        it(`would show ${what}`, () => {
            assert.ok(new OpenApi().requestProblem(method, path, body)?.includes(problem));
        });
    }
});

/** The life of every resource, with manual changes in between. */
async function everything(on: FlyFixture): Promise<void> {
    const { endpoint, api } = on;
    const asked = { endpoint, token: on.fly.token, region: "lhr", organization: "personal" };
    assert.deepEqual((await preflight(asked)).problems, []);
    const appInputs = { endpoint, name: APP, organization: "personal", owner: OWNER };
    const app = await App.create(appInputs);
    await App.create(appInputs);
    assert.deepEqual((await preflight({ ...asked, appName: APP })).problems, []);

    const address = await IpAddress.create({ endpoint, app: APP, type: "v4", region: "lhr" });
    await IpAddress.delete(address.id, outsOf(address));

    const both = { endpoint, app: APP, files: { a: "first", b: "second" }, names: ["A", "B"] };
    const secrets = outsOf(await Secrets.create(both));
    const fewer = { ...both, files: { a: "other" }, names: ["A"] };
    const updated = outsOf(await Secrets.update("secrets", secrets, fewer));
    await Secrets.read("secrets", updated);

    const data = { endpoint, app: APP, name: "data", region: "lhr", sizeGb: 1, owner: OWNER };
    const volume = await Volume.create(data);
    await Volume.update(volume.id, outsOf(volume), { ...data, autoBackup: false });

    const base = brokerLike(on, APP, await pushImage(on.fly, APP));
    const mounts = [{ volume: volume.id, path: "/data" }];
    const config = { ...base.config, mounts, files: [BROKER_FILES] };
    const { version, restartVersion } = updated;
    const versions = { secretsVersion: restartVersion, newestSecretsVersion: version };
    const wanted = { ...base, config, ...versions };
    const machine = await Machine.create(wanted);
    const live = {
        machine: base.name,
        owner: OWNER,
        check: CHECK,
        apply: APPLY,
        state: STATE,
    };
    const news = { ...fewer, files: { a: "all new" }, live };
    await Secrets.read("secrets", outsOf(await Secrets.update("secrets", updated, news)));
    const path = `/apps/${APP}/machines/${machine.id}`;
    await api.ok("POST", `${path}/cordon`);
    await api.ok("POST", `${path}/metadata/theirs`, { value: "1" });
    await api.ok("DELETE", `${path}/metadata/managed_by`);
    const same = outsOf(await Machine.update(machine.id, outsOf(machine), wanted));
    const env = { ...wanted, config: { ...config, env: { A: "1" } } };
    const changed = outsOf(await Machine.update(machine.id, same, env));
    await api.stop(APP, await api.machine(APP, machine.id));
    await Machine.update(machine.id, changed, env);

    const found = await api.ok("GET", `/apps/${APP}/volumes/${volume.id}`);
    const grown = { ...found, size_gb: 2 };
    await on.fault({
        method: "PUT",
        path: `/v1/apps/${APP}/volumes/*/extend`,
        action: { type: "status", status: 200, body: { volume: grown, needs_restart: true } },
    });
    await Volume.update(volume.id, outsOf(volume), { ...data, sizeGb: 2 });
    await on.noFaults();
    await Volume.update(volume.id, outsOf(volume), { ...data, sizeGb: 2 });
    const moved = await Volume.create({ ...data, sizeGb: 2, region: "ams", onReplace: "restore" });

    const host = { endpoint, app: APP, hostname: HOSTNAME };
    const { chain, key } = await issue(await makeAuthority(), [HOSTNAME]);
    const upload = { hostname: HOSTNAME, fullchain: chain, private_key: key };
    for (const custom of [false, true]) {
        const certificate = await Certificate.create(host);
        if (custom) await api.ok("POST", `/apps/${APP}/certificates/custom`, upload);
        await Certificate.delete(certificate.id, outsOf(certificate));
    }

    await Machine.update(machine.id, changed, env);
    await Machine.delete(machine.id, changed);
    await Volume.delete(volume.id, outsOf(volume));
    await Volume.read(moved.id, outsOf(moved));
    await Secrets.delete("secrets", updated);
    await App.delete(app.id, outsOf(app));
}
