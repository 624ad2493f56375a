// core
import assert from "node:assert/strict";
import fc from "fast-check";
import { startLocalFly } from "../../dev/fly/index.ts";
import type { LocalFly } from "../../dev/fly/index.ts";
import { Api } from "../../dev/harness/api.ts";
import { pushImage } from "../../dev/harness/image.ts";

/** Property names that every JavaScript object has. */
const PROTOTYPE = ["constructor", "__proto__", "toString", "hasOwnProperty"];

const HOSTILE: unknown[] = [
    ...[null, true, -1, 0, 1.5, 1e308, "", [], {}, [[]], [null], { constructor: 1 }],
    ...["/etc/passwd", "../..", "\0", "a\nb", "%2e%2e%2f", "\u202e", "é", "x".repeat(5000)],
    ...PROTOTYPE,
];

describe("local Fly: no request crashes it", function () {
    this.timeout(120_000);
    let fly: LocalFly;
    let api: Api;
    let image: string;
    let machine: string;
    let volume: string;

    before(async () => {
        fly = await startLocalFly({ settings: { volumeReleaseMs: 0 } });
        api = new Api(fly);
        await api.app("host");
        image = await pushImage(fly, "host");
        const made = await api.ok<{ id: string }>("POST", "/apps/host/volumes", {
            name: "data",
            size_gb: 1,
        });
        volume = made.id;
        machine = (await api.start("host", { image })).id;
    });
    after(() => fly?.close());

    for (const reference of [
        "/etc/passwd",
        "../../containers/json",
        "a b",
        "UPPER",
        "x?y",
        "x#y",
        "registry.fly.io/../x",
        "a@sha256:x",
        `a/${"b".repeat(3000)}`,
    ]) {
        it(`refuses the image ${reference.slice(0, 40)}`, async () => {
            await api.refused(400, /invalid reference format/, "POST", "/apps/host/machines", {
                config: { image: reference },
            });
        });
    }

    for (const name of PROTOTYPE) {
        it(`finds nothing by the name ${name}`, async () => {
            await api.refused(404, "app not found", "GET", `/apps/${name}`);
            const one = `/apps/host/machines/${machine}`;
            await api.refused(404, "machine not found", "GET", `/apps/host/machines/${name}`);
            await api.refused(404, "volume not found", "GET", `/apps/host/volumes/${name}`);
            await api.refused(404, "secret not found", "GET", `/apps/host/secrets/${name}`);
            await api.refused(404, "metadata key not found", "GET", `${one}/metadata/${name}`);
            await api.refused(404, "snapshot not found", "POST", "/apps/host/volumes", {
                name: "data",
                snapshot_id: name,
            });
        });

        it(`keeps a secret and metadata with the name ${name}`, async () => {
            const one = `/apps/host/machines/${machine}/metadata/${name}`;
            await api.ok("POST", `/apps/host/secrets/${name}`, { value: "v" });
            assert.equal((await api.ok("GET", `/apps/host/secrets/${name}`)).name, name);
            await api.ok("DELETE", `/apps/host/secrets/${name}`);
            await api.ok("POST", one, { value: "v" });
            assert.equal((await api.ok("GET", one)).value, "v");
            await api.ok("DELETE", one);
        });
    }

    it("creates an app with the name constructor", async () => {
        await api.app("constructor");
        assert.equal((await api.ok("GET", "/apps/constructor")).name, "constructor");
    });

    /** Routes with a body, each with a valid one. */
    function bodies(): Record<string, unknown> {
        const one = `/apps/host/machines/${machine}`;
        const check = { type: "http", port: 9, path: "/", method: "GET", interval: "1s" };
        const config = {
            image,
            env: { A: "a" },
            metadata: { a: "b" },
            guest: { cpu_kind: "shared", cpus: 1, memory_mb: 256 },
            init: { cmd: ["/bin/sleep", "9"] },
            services: [
                {
                    protocol: "tcp",
                    internal_port: 9,
                    ports: [{ port: 10_001, handlers: ["tls"] }],
                    checks: [{ ...check, headers: [{ name: "A", values: ["b"] }] }],
                },
            ],
            checks: { up: check },
            restart: { policy: "no", max_retries: 1 },
            stop_config: { signal: "SIGTERM", timeout: "1s" },
            files: [{ guest_path: "/run/a", raw_value: "YQ==", mode: 384 }],
            processes: [{ cmd: ["/bin/sleep", "9"], env: {}, secrets: [{ env_var: "A" }] }],
        };
        return {
            "POST /apps": { name: "another", org_slug: "personal", network: "n" },
            "POST /apps/host/deploy_token": { expiry: "1h" },
            "POST /apps/host/secrets": { values: { A: "a" } },
            "POST /apps/host/secrets/A": { value: "a" },
            "POST /apps/host/ip_assignments": { type: "v6", region: "lhr", network: "n" },
            "POST /apps/host/certificates/acme": { hostname: "a.example.com" },
            "POST /apps/host/certificates/custom": {
                hostname: "a.example.com",
                fullchain: "a",
                private_key: "b",
            },
            "POST /apps/host/volumes": { name: "d", size_gb: 1, region: "lhr", compute: {} },
            [`PUT /apps/host/volumes/${volume}`]: { snapshot_retention: 3 },
            [`PUT /apps/host/volumes/${volume}/extend`]: { size_gb: 1 },
            // Not started: another test covers the work in the background.
            "POST /apps/host/machines": { name: "m", region: "lhr", config, skip_launch: true },
            [`POST ${one}`]: { config, skip_launch: true, lease_ttl: 0 },
            [`POST ${one}/exec`]: { command: ["/bin/true"], stdin: "a", timeout: 1 },
            [`POST ${one}/signal`]: { signal: "SIGUSR1" },
            [`POST ${one}/stop`]: { signal: "SIGTERM", timeout: "1s" },
            [`PATCH ${one}/metadata`]: { metadata: { a: "b" } },
            "PUT /_local/settings": { leaseMaxS: 0 },
            "POST /_local/faults": { rules: [{ path: "/none", action: { type: "drop-before" } }] },
        };
    }

    it("answers bodies with one wrong value", async () => {
        const given = Object.entries(bodies());
        const wrong = fc.constantFrom(...given).chain(([route, body]) =>
            fc.record({
                route: fc.constant(route),
                at: fc.constantFrom(...placesIn(body)),
                value: fc.oneof(fc.constantFrom(...HOSTILE), fc.json().map(parsed)),
                body: fc.constant(body),
            }),
        );
        await fc.assert(
            fc.asyncProperty(wrong, async ({ route, at, value, body }) => {
                const [method, path] = route.split(" ") as [string, string];
                const answer = await api.call(method, path, changed(body, at, value));
                assert.ok(answer.status < 500, `${answer.status} ${answer.text}`);
                if (path.startsWith("/_local")) {
                    await api.ok("DELETE", "/_local/faults");
                    await api.ok("PUT", "/_local/settings", { rateLimit: false });
                }
                assert.equal((await api.call("GET", "/apps/host/machines")).status, 200);
            }),
            { numRuns: 600, seed: 13, endOnFailure: true },
        );
    });

    it("answers odd paths and queries", async () => {
        const word = fc.oneof(
            fc.constantFrom(
                ...HOSTILE.filter((one): one is string => typeof one === "string"),
                machine,
                volume,
            ),
            fc.string({ unit: "binary", maxLength: 20 }),
        );
        const request = fc.record({
            method: fc.constantFrom("GET", "POST", "PUT", "PATCH", "DELETE"),
            path: fc.constantFrom(
                ...["/apps/*", "/apps/host/*", "/apps/host/*/*", "/apps/host/machines/*/*"],
                ...["/apps/host/certificates/*/*", "/apps/host/volumes/*/*", "/orgs/*/machines"],
                ...["/_local/apps/*", `/apps/host/machines/${machine}/metadata/*`],
                ...["/apps/host/machines/*/wait", "/apps", "/apps/host/machines"],
            ),
            words: fc.array(word, { minLength: 3, maxLength: 3 }),
            query: fc.dictionary(
                fc.constantFrom("state", "timeout", "org_slug", "instance_id", "ttl", "limit"),
                word,
            ),
            twice: fc.boolean(),
        });
        await fc.assert(
            fc.asyncProperty(request, async ({ method, path, words, query, twice }) => {
                const left = [...words];
                const filled = path.replaceAll("*", () => encodeURIComponent(left.pop()!));
                const pairs = Object.entries(query).flatMap(([key, value]) => {
                    const pair = `${key}=${encodeURIComponent(value)}`;
                    return twice ? [pair, pair] : [pair];
                });
                if (method === "DELETE" && /^\/apps\/host\/?$/.test(filled)) return;
                const answer = await api.call(
                    method,
                    `${filled}?${["timeout=0", ...pairs].join("&")}`,
                    method === "POST" ? {} : undefined,
                );
                assert.ok(answer.status < 500, `${answer.status} ${answer.text}`);
            }),
            { numRuns: 400, seed: 13, endOnFailure: true },
        );
        await api.ok("GET", "/apps/host");
    });
});

function parsed(json: string): unknown {
    return JSON.parse(json) as unknown;
}

type Place = (string | number)[];

/** Paths of all values in a body, including the body itself. */
function placesIn(value: unknown, at: Place = []): Place[] {
    if (typeof value !== "object" || value === null) return [at];
    const inner = Object.entries(value).flatMap(([key, one]) =>
        placesIn(one, [...at, Array.isArray(value) ? Number(key) : key]),
    );
    return [at, ...inner];
}

function changed(body: unknown, [key, ...rest]: Place, value: unknown): unknown {
    if (key === undefined) return value;
    const next = structuredClone(body) as Record<string | number, unknown>;
    next[key] = changed(next[key], rest, value);
    return next;
}
