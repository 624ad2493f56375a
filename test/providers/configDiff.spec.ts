import assert from "node:assert/strict";
import fc from "fast-check";
import {
    configDifferences,
    durationNs,
    withoutFlyDefaults,
} from "../../providers/fly/machine/configDiff.ts";
import type { MachineConfig } from "../../providers/fly/api/types.ts";
import { leavesOf, openApiSchemas } from "../local/support/schemas.ts";

const wanted: MachineConfig = {
    image: "registry.fly.io/a@sha256:1",
    guest: { cpu_kind: "shared", cpus: 1, memory_mb: 512 },
    mounts: [{ volume: "vol_1", path: "/data" }],
    services: [{ protocol: "tcp", internal_port: 1883, ports: [{ port: 10000 }], autostop: "off" }],
    checks: { mqtt: { type: "tcp", port: 1883, interval: "15s", timeout: "5s" } },
    stop_config: { signal: "SIGTERM", timeout: "30s" },
    metadata: { managed_by: "us" },
};

/** The same config as Fly echoes it: normalised, and with Fly's own additions. */
const echoed = {
    ...wanted,
    init: {},
    dns: {},
    env: {},
    restart: { policy: "on-failure", max_retries: 10 },
    mounts: [
        { volume: "vol_1", path: "/data", name: "mosquitto_data", size_gb: 1, encrypted: true },
    ],
    services: [
        {
            protocol: "tcp",
            internal_port: 1883,
            ports: [{ port: 10000, handlers: null, force_https: false }],
            autostop: false,
            autostart: true,
            min_machines_running: 0,
            force_instance_key: null,
        },
    ],
    checks: {
        mqtt: { type: "tcp", port: 1883, interval: "15s", timeout: 5e9, kind: "informational" },
    },
    stop_config: { signal: "SIGTERM", timeout: "30s" },
    metadata: { managed_by: "us", fly_release_id: "1", fly_flyctl_version: "0.3" },
};

/** Fields where absent and zero differ. */
const MEANT = ["services.*.autostart", "services.*.ports.*.http_options.compress"];

/** A config with this value at the path's parent; its arrays and maps have one item. */
function at(path: string, leaf: object): object {
    const config = path
        .split(".")
        .slice(0, -1)
        .reduceRight<object>(
            (inner, key) => (key === "*" ? [inner] : { [key]: inner }),
            leaf,
        ) as Record<string, unknown>;
    const checks = Array.isArray(config.checks) ? { mqtt: config.checks[0] as unknown } : undefined;
    return { image: "i", ...config, ...(checks && { checks }) };
}

describe("config differences", () => {
    it("are none between a config and Fly's echo of it", () => {
        assert.deepEqual(configDifferences(wanted, echoed), []);
    });

    for (const [path, change] of [
        ["image", { image: "registry.fly.io/a@sha256:2" }],
        ["env", { env: { DEBUG: "1" } }],
        ["guest.memory_mb", { guest: { cpu_kind: "shared", cpus: 1, memory_mb: 1024 } }],
        ["restart", { restart: { policy: "always" } }],
        ["services.1", { services: [...echoed.services, { protocol: "udp", internal_port: 53 }] }],
        ["checks", { checks: {} }],
        ["init", { init: { cmd: ["sh"] } }],
        ["auto_destroy", { auto_destroy: true }],
        [
            "mounts.0.extend_threshold_percent",
            { mounts: [{ ...echoed.mounts[0], extend_threshold_percent: 80 }] },
        ],
        ["metadata.managed_by", { metadata: { managed_by: "them" } }],
        ["schedule", { schedule: "daily" }],
    ] as const) {
        it(`name a manual change: ${path}`, () => {
            assert.deepEqual(configDifferences(wanted, { ...echoed, ...change }), [path]);
        });
    }

    for (const [what, change] of [
        ["metrics.https: false", { metrics: { port: 9883, path: "/metrics", https: false } }],
        [
            "checks.*.tls_skip_verify: false and its defaults",
            {
                checks: {
                    mqtt: {
                        ...echoed.checks.mqtt,
                        ...{ tls_skip_verify: false, method: "GET", protocol: "http" },
                        ...{ headers: null, tls_server_name: "", grace_period: "0s" },
                    },
                },
            },
        ],
        ["files.*.mode", { files: [{ guest_path: "/a", secret_name: "A", mode: 0o644 }] }],
        ["restart.max_retries beside always", { restart: { policy: "always", max_retries: 3 } }],
        ["init", { init: { tty: false, swap_size_mb: 0, exec: null } }],
        ["dns", { dns: { skip_registration: false, nameservers: [] } }],
        ["guest.gpus: 0", { guest: { ...wanted.guest, gpus: 0, gpu_kind: "" } }],
        [
            "mounts.*.extend_threshold_percent: 0",
            { mounts: [{ ...echoed.mounts[0], extend_threshold_percent: 0, size_gb_limit: 0 }] },
        ],
        [
            "services.*.ports.*.tls_options",
            {
                services: [
                    {
                        ...echoed.services[0],
                        concurrency: { type: "connections", hard_limit: 0, soft_limit: 0 },
                        ports: [
                            {
                                port: 10000,
                                tls_options: { default_self_signed: false },
                                http_options: { compress: true, h2_backend: false },
                            },
                        ],
                    },
                ],
            },
        ],
    ] as const) {
        it(`are none if only Fly has ${what}`, () => {
            const declared = {
                ...wanted,
                metrics: { port: 9883, path: "/metrics" },
                files: [{ guest_path: "/a", secret_name: "A" }],
                restart: { policy: "always" },
            };
            const found = {
                ...echoed,
                ...{ metrics: declared.metrics, files: declared.files, restart: declared.restart },
                ...change,
            };
            assert.deepEqual(configDifferences(declared, found), []);
        });
    }

    const schemas = openApiSchemas();
    for (const { path, zero, beside } of leavesOf(schemas, "fly.MachineConfig")) {
        // Each config declares one.
        if (path === "image") continue;
        const meant = MEANT.includes(path);
        it(`${meant ? "are shown" : "are none"} if only Fly has a zero for ${path}`, () => {
            const [declared, found] = [at(path, beside), at(path, { ...beside, ...zero })];
            assert.equal(configDifferences(declared, found).length > 0, meant);
        });
    }

    it("distinguish Fly's clamp of a service check's interval from a change", () => {
        const slow = {
            ...wanted,
            services: [{ protocol: "tcp", internal_port: 1, checks: [{ interval: "5m" }] }],
        };
        const clamped = {
            ...wanted,
            services: [{ protocol: "tcp", internal_port: 1, checks: [{ interval: "60s" }] }],
        };
        assert.deepEqual(configDifferences(slow, clamped), []);
    });

    for (const [text, ns] of [
        ["15s", 15e9],
        ["1m30s", 90e9],
        ["1h", 3600e9],
        ["250ms", 250e6],
        ["1.5s", 1.5e9],
        ["1µs", 1e3],
        [42, 42],
        ["soon", "soon"],
        ["", ""],
    ] as const) {
        it(`parse the duration ${JSON.stringify(text)}`, () => {
            assert.equal(durationNs(text), ns);
        });
    }

    it("are none between a config and itself, and symmetric", () => {
        const any = fc.object({ maxDepth: 4, withNullPrototype: false });
        fc.assert(
            fc.property(any, any, (a, b) => {
                assert.deepEqual(configDifferences(a, structuredClone(a)), []);
                const config = { image: "i", env: a };
                const other = { image: "i", env: b };
                assert.equal(
                    configDifferences(config, other).length > 0,
                    configDifferences(other, config).length > 0,
                );
            }),
        );
    });

    it("without Fly's additions leave an equivalent config", () => {
        const stripped = withoutFlyDefaults(echoed as unknown as MachineConfig, wanted);
        assert.deepEqual(configDifferences(wanted, stripped), []);
        assert.deepEqual(stripped.mounts, wanted.mounts);
        assert.ok(!("init" in stripped) && !("dns" in stripped) && !("env" in stripped));
    });
});
