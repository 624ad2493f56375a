// core
import assert from "node:assert/strict";
import { startLocalFly } from "../../dev/fly/index.ts";
import type { LocalFly } from "../../dev/fly/index.ts";
import { Api } from "../../dev/harness/api.ts";
import { pushImage } from "../../dev/harness/image.ts";
import { hasDocument, OpenApi } from "./support/openapi.ts";
import { until } from "../../dev/harness/until.ts";

describe("local Fly against Fly's OpenAPI document", function () {
    this.timeout(60_000);
    let fly: LocalFly | undefined;
    let document: OpenApi;
    const problems: string[] = [];
    let checked = 0;

    before(async function () {
        if (!hasDocument) {
            console.log("      (skipped: ../shared/data/fly-machines-openapi.json is not here)");
            this.skip();
        }
        document = new OpenApi();
        fly = await startLocalFly({ settings: { volumeReleaseMs: 0 } });
        Api.observe = (method, path, answer) => {
            if (path.startsWith("/_local")) return;
            checked++;
            const problem = document.problem(method, path, answer.status, answer.body);
            if (problem !== undefined) problems.push(problem);
        };
    });
    after(async () => {
        Api.observe = undefined;
        await fly?.close();
    });

    it("answers every route in the documented shapes, including errors", async () => {
        assert.ok(fly);
        const api = new Api(fly);
        await everything(fly, api);
        assert.deepEqual([...new Set(problems)], []);
        assert.ok(checked > 60, `${checked} answers`);
    });

    it("needs each of the corrections", () => {
        assert.deepEqual(
            OpenApi.corrected.filter((key) => !document.used.has(key)),
            [],
        );
    });
});

async function everything(fly: LocalFly, api: Api): Promise<void> {
    const call = (method: string, path: string, body?: unknown, headers = {}) =>
        api.call<{ id: string; instance_id: string; data: { nonce: string } }>(
            method,
            path,
            body,
            headers,
        );
    await call("GET", "/platform/regions");
    await call("GET", "/apps", undefined);
    await api.app("doc");
    await call("POST", "/apps", { name: "doc", org_slug: "personal" });
    await call("GET", "/apps?org_slug=personal");
    await call("GET", "/apps/doc");
    await call("GET", "/apps/none");
    await call("GET", "/apps/doc", undefined, { authorization: "Bearer no" });
    await call("POST", "/apps/doc/deploy_token", { expiry: "1h" });
    const image = await pushImage(fly, "doc");

    for (const type of ["v4", "v6", "shared_v4", "private_v6", "v5"]) {
        await call("POST", "/apps/doc/ip_assignments", { type });
    }
    const { ips } = await api.ok<{ ips: { ip: string }[] }>("GET", "/apps/doc/ip_assignments");
    await call("DELETE", `/apps/doc/ip_assignments/${encodeURIComponent(ips[1]?.ip ?? "")}`);

    await call("POST", "/apps/doc/secrets", { values: { A: "a", B: "b" } });
    await call("POST", "/apps/doc/secrets/C", { value: "c" });
    await call("GET", "/apps/doc/secrets?show_secrets=true");
    await call("GET", "/apps/doc/secrets/C");
    await call("DELETE", "/apps/doc/secrets/C");

    await call("POST", "/apps/doc/certificates/acme", { hostname: "doc.example.com" });
    await call("GET", "/apps/doc/certificates");
    await call("GET", "/apps/doc/certificates/doc.example.com");
    await call("POST", "/apps/doc/certificates/doc.example.com/check");
    await call("DELETE", "/apps/doc/certificates/doc.example.com/acme");
    await call("DELETE", "/apps/doc/certificates/doc.example.com");

    const volumes = "/apps/doc/volumes";
    const made = await call("POST", volumes, { name: "data", region: "lhr", size_gb: 1 });
    const volume = `${volumes}/${made.body.id}`;
    await call("GET", volumes);
    await call("PUT", volume, { snapshot_retention: 7 });
    await call("PUT", `${volume}/extend`, { size_gb: 2 });
    await call("POST", `${volume}/snapshots`);
    await until("the snapshot is done", async () => {
        const list = await api.ok<{ status: string }[]>("GET", `${volume}/snapshots`);
        return list.every((one) => one.status === "created");
    });

    const machines = "/apps/doc/machines";
    const config = {
        image,
        env: { A: "1" },
        metadata: { a: "1" },
        mounts: [{ volume: made.body.id, path: "/data" }],
        services: [
            {
                protocol: "tcp",
                internal_port: 9,
                ports: [{ port: 10000 }],
                autostop: "off",
                autostart: false,
                checks: [{ type: "tcp", interval: "100ms", timeout: "1s", grace_period: "0s" }],
            },
        ],
        checks: { up: { type: "tcp", port: 9, interval: "100ms", timeout: "1s" } },
        restart: { policy: "always" },
        stop_config: { signal: "SIGTERM", timeout: "5s" },
        files: [{ guest_path: "/run/file", raw_value: "YQ==", mode: 384 }],
    };
    const machine = await api.start("doc", config, { name: "doc", lease_ttl: 1 });
    const one = `${machines}/${machine.id}`;
    await until("a check has run", async () => {
        const { checks } = await api.machine("doc", machine.id);
        return checks.some((check) => check.status === "critical");
    });
    await call("POST", machines, { name: "doc", config: { image } });
    await call("POST", machines, { config: { image, guest: { cpus: 3 } } });
    await call("GET", `${machines}?include_leases=true`);
    await call("GET", `${machines}?summary=true`);
    for (const end of ["events", "versions", "metadata", "metadata/a", "metadata/z", "ps"]) {
        await call("GET", `${one}/${end}`);
    }
    await call("POST", `${one}/metadata/b`, { value: "2" });
    await call("PATCH", `${one}/metadata`, { metadata: { b: null } });
    await call("PUT", `${one}/metadata`, { metadata: {}, machine_version: "other" });
    await call("DELETE", `${one}/metadata/a`);
    await call("POST", `${one}/exec`, { command: ["/bin/true"] });
    await call("POST", `${one}/exec`, {});
    await until(
        "the lease is over",
        async () => (await call("GET", `${one}/lease`)).status === 404,
    );
    await call("POST", `${one}/signal`, { signal: "SIGUSR1" });
    const lease = await call("POST", `${one}/lease?ttl=30`);
    await call("GET", `${one}/lease`);
    await call("POST", `${one}/stop`, {});
    const headers = { "fly-machine-lease-nonce": lease.body.data.nonce };
    await call("DELETE", `${one}/lease`, undefined, headers);
    await call("POST", `${one}/cordon`);
    await call("POST", `${one}/uncordon`);
    await call("POST", `${one}/restart`);
    await api.wait("doc", machine.id, "started");
    const updated = await call("POST", one, { config: { ...config, env: { A: "2" } } });
    await api.wait("doc", machine.id, "started", updated.body.instance_id);
    await call("DELETE", one);
    await call("GET", `${one}/wait?state=stopped&timeout=1`);
    await call("GET", `${one}/wait?state=suspended&timeout=1`);
    await api.stop("doc", await api.machine("doc", machine.id));
    await call("POST", `${one}/start`, {});
    await api.wait("doc", machine.id, "started");
    await call("DELETE", volume);
    await api.destroy("doc", machine.id);
    await call("DELETE", volume);
    await call("GET", volume);
    await call("GET", "/orgs/personal/machines");
    await call("GET", "/orgs/personal/volumes");
    await call("DELETE", "/apps/doc");
}
