// core
import assert from "node:assert/strict";
import { readFileSync, statSync } from "node:fs";
import { isIPv4 } from "node:net";
import { join } from "node:path";
import { startLocalFly } from "../../dev/fly/index.ts";
import type { LocalFly } from "../../dev/fly/index.ts";
import { issue, makeAuthority } from "../../dev/harness/certificates.ts";
import { Api } from "../../dev/harness/api.ts";

interface Ip {
    ip: string;
    shared: boolean;
    region: string;
}

interface SecretsAnswer {
    secrets: { name: string; digest: string; value?: string }[];
    version: number;
}

describe("local Fly: addresses, secrets, certificates", function () {
    this.timeout(30_000);
    let fly: LocalFly;
    let api: Api;

    before(async () => {
        fly = await startLocalFly();
        api = new Api(fly);
        await api.app("one");
        await api.app("two");
    });
    after(() => fly?.close());

    it("assigns each app its own loopback addresses", async () => {
        const v4 = await api.ok<Ip>("POST", "/apps/one/ip_assignments", { type: "v4" });
        const v6 = await api.ok<Ip>("POST", "/apps/one/ip_assignments", { type: "v6" });
        const other = await api.ok<Ip>("POST", "/apps/two/ip_assignments", { type: "v4" });
        assert.ok(isIPv4(v4.ip) && v4.ip.startsWith("127."));
        assert.match(v6.ip, /^::ffff:127\./);
        assert.equal(new Set([v4.ip, v6.ip.slice(7), other.ip]).size, 3);
        assert.equal(v4.shared, false);
        assert.ok(!("type" in v4), "the API echoes no type");
        const listed = await api.ok<{ ips: Ip[] }>("GET", "/apps/one/ip_assignments");
        assert.deepEqual(
            listed.ips.map((one) => one.ip),
            [v4.ip, v6.ip],
        );
        const path = `/apps/one/ip_assignments/${encodeURIComponent(v6.ip)}`;
        assert.equal((await api.call("DELETE", path)).status, 204);
        await api.refused(404, "ip assignment not found", "DELETE", path);
    });

    it("shares one IPv4 between apps, and has private addresses", async () => {
        const one = await api.ok<Ip>("POST", "/apps/one/ip_assignments", { type: "shared_v4" });
        const two = await api.ok<Ip>("POST", "/apps/two/ip_assignments", { type: "shared_v4" });
        assert.equal(one.ip, two.ip);
        assert.equal(one.shared, true);
        const flycast = await api.ok<Ip>("POST", "/apps/one/ip_assignments", {
            type: "private_v6",
        });
        assert.match(flycast.ip, /^fdaa:/);
    });

    it("refuses address types and arguments that Fly refuses", async () => {
        const path = "/apps/one/ip_assignments";
        await api.refused(400, /invalid type/, "POST", path, { type: "v5" });
        await api.refused(400, "org_slug is only supported with private_v6 type", "POST", path, {
            type: "v4",
            org_slug: "personal",
        });
    });

    it("keeps secrets as strings, and counts every change", async () => {
        const first = await api.ok<SecretsAnswer>("POST", "/apps/one/secrets", {
            values: { A: "alpha", B: "beta" },
        });
        assert.equal(first.version, 1);
        assert.deepEqual(
            first.secrets.map((one) => one.name),
            ["A", "B"],
        );
        assert.ok(!JSON.stringify(first).includes("alpha"), "values are not echoed");
        const second = await api.ok<SecretsAnswer>("POST", "/apps/one/secrets", {
            values: { A: null, C: "gamma" },
        });
        assert.equal(second.version, 2);
        assert.deepEqual(
            second.secrets.map((one) => one.name),
            ["B", "C"],
        );
        const shown = await api.ok<SecretsAnswer>("GET", "/apps/one/secrets?show_secrets=true");
        assert.equal(shown.secrets[0]?.value, "beta");
        const plain = await api.ok<SecretsAnswer>("GET", "/apps/one/secrets");
        assert.ok(!("value" in (plain.secrets[0] ?? {})));
    });

    it("changes one secret, and its digest with the value", async () => {
        const path = "/apps/two/secrets/KEY";
        const made = await api.call<{ version: number; digest: string }>("POST", path, {
            value: "one",
        });
        assert.equal(made.status, 201);
        const same = await api.ok<{ digest: string }>("POST", path, { value: "one" });
        assert.equal(same.digest, made.body.digest);
        const other = await api.ok<{ digest: string; version: number }>("POST", path, {
            value: "two",
        });
        assert.notEqual(other.digest, made.body.digest);
        assert.equal(other.version, 3);
        assert.equal((await api.ok<{ version: number }>("DELETE", path)).version, 4);
        await api.refused(404, "secret not found", "GET", path);
        await api.refused(400, /invalid secret name/, "POST", "/apps/two/secrets", {
            values: { "not-a-name": "x" },
        });
        await api.refused(400, /is not available/, "GET", "/apps/two/secrets?min_version=99");
    });

    it("keeps its files private", () => {
        assert.equal(statSync(fly.dir).mode & 0o777, 0o700);
        assert.equal(statSync(join(fly.dir, "state.json")).mode & 0o777, 0o600);
        const log = readFileSync(join(fly.dir, "log"), "utf8");
        assert.ok(log.includes("POST /v1/apps/one/secrets 200"));
        for (const secret of [fly.token, "alpha", "beta", "gamma"]) {
            assert.ok(!log.includes(secret), "the log names no secret");
        }
    });

    it("finds certificates by hostname", async () => {
        const path = "/apps/one/certificates";
        const made = await api.call("POST", `${path}/acme`, { hostname: "mqtt.example.com" });
        assert.equal(made.status, 201);
        assert.equal(made.body.status, "pending_validation");
        const wild = await api.call("POST", `${path}/acme`, { hostname: "*.example.com" });
        assert.equal(wild.status, 201);
        await api.ok("GET", `${path}/%2A.example.com`);
        const listed = await api.ok<{ total_count: number }>("GET", path);
        assert.equal(listed.total_count, 2);
        await api.refused(422, /invalid/, "POST", `${path}/acme`, { hostname: "nowhere" });
        assert.equal((await api.call("DELETE", `${path}/mqtt.example.com`)).status, 204);
        await api.refused(404, "certificate not found", "GET", `${path}/mqtt.example.com`);
    });

    it("distinguishes a requested and an uploaded certificate of one hostname", async () => {
        const hostname = "both.example.com";
        const path = "/apps/one/certificates";
        const { chain, key } = await issue(await makeAuthority(), [hostname]);
        await api.ok("POST", `${path}/acme`, { hostname });
        const body = { hostname, fullchain: chain, private_key: key };
        const both = await api.ok("POST", `${path}/custom`, body);
        assert.equal(both.acme_requested, true);
        assert.equal(both.status, "active");
        await api.ok("DELETE", `${path}/${hostname}/acme`);
        const left = await api.ok("GET", `${path}/${hostname}`);
        assert.equal(left.acme_requested, false);
        assert.equal(left.configured, true);
        await api.refused(404, /not found/, "DELETE", `${path}/${hostname}/acme`);
        await api.ok("DELETE", `${path}/${hostname}/custom`);
        await api.refused(404, /not found/, "GET", `${path}/${hostname}`);
    });
});
