import assert from "node:assert/strict";
import { Machine } from "../../providers/entry.ts";
import { MACHINE_RULES, type MachineOutputs } from "../../providers/fly/machine/inputs.ts";
import { UNKNOWN } from "../../providers/provider.ts";
import { effectOf, table } from "./support/diffTable.ts";

const endpoint = "http://127.0.0.1:4280";
const owner = { project: "p", stack: "dev" };

describe("diff of a machine", () => {
    const config = {
        image: "registry.fly.io/a@sha256:" + "1".repeat(64),
        guest: { cpu_kind: "shared", cpus: 1, memory_mb: 256 },
        mounts: [{ volume: "vol_1", path: "/mosquitto/data" }],
        services: [
            {
                protocol: "tcp",
                internal_port: 1883,
                ports: [{ port: 10000 }],
                autostop: "off",
                autostart: true,
            },
        ],
        checks: {
            mqtt: { type: "tcp", port: 1883, interval: "15s", timeout: "5s", grace_period: "5s" },
        },
        restart: { policy: "always" },
        stop_config: { signal: "SIGTERM", timeout: "30s" },
        files: [
            { guest_path: "/run/a", secret_name: "A" },
            { guest_path: "/run/b", secret_name: "B" },
        ],
        metadata: { owner: "team" },
    };
    const machine = { endpoint, app: "a", name: "mosquitto", region: "lhr", owner, config };
    const state: Omit<MachineOutputs, keyof typeof machine> = {
        machineId: "m1",
        instanceId: "01H",
        version: "01H",
        state: "started",
        privateIp: "fdaa::1",
        imageDigest: "sha256:1",
    };

    table(
        "machine",
        Machine,
        { ...machine, secretsVersion: 3 },
        state,
        [
            [{ endpoint: "http://127.0.0.1:4290" }, "update"],
            [{ app: "b" }, "replace app"],
            [{ name: "other" }, "replace name (delete first)"],
            [{ region: "ams" }, "replace region (delete first)"],
            [{ owner: { ...owner, stack: "prod" } }, "update"],
            [{ secretsVersion: 4 }, "update"],
            [{ secretsVersion: UNKNOWN }, "update"],
            [{ secretsVersion: undefined }, "none"],
            [{ newestSecretsVersion: 4 }, "none"],
            [{ newestSecretsVersion: UNKNOWN }, "none"],
            // Only the machine can tell whether it takes them without a restart.
            [{ secretsVersion: UNKNOWN, newestSecretsVersion: UNKNOWN }, "none"],
            [{ secretsVersion: 4, newestSecretsVersion: 4 }, "update"],
            [{ timeouts: { create: 5 } }, "none"],
            [{ logsEndpoint: "http://127.0.0.1:1" }, "none"],
            [{ importId: "9080e1" }, "none"],
            [{ protectedBy: "x:protect" }, "update"],
            [{ config: UNKNOWN }, "update"],
            [{ app: UNKNOWN, region: UNKNOWN }, "none"],
        ],
        MACHINE_RULES,
    );

    describe("machine config", () => {
        const change = (path: string, value: unknown) => {
            const copy = structuredClone(config) as Record<string, unknown>;
            const keys = path.split(".");
            const last = keys.pop() ?? "";
            let at = copy;
            for (const key of keys) {
                at = (at[key] ??= {}) as Record<string, unknown>;
            }
            if (value === undefined) {
                Reflect.deleteProperty(at, last);
            } else {
                at[last] = value;
            }
            return copy;
        };

        for (const [path, value, expected] of [
            ["image", "registry.fly.io/a@sha256:" + "2".repeat(64), "update"],
            ["image", UNKNOWN, "update"],
            ["guest.memory_mb", 512, "update"],
            ["guest", undefined, "none"],
            ["guest.cpu_kind", "performance", "update"],
            ["mounts.0.volume", "vol_2", "replace config (delete first)"],
            ["mounts.0.volume", UNKNOWN, "update"],
            ["mounts.0.path", "/data", "update"],
            ["mounts", undefined, "replace config (delete first)"],
            ["services.0.ports.0.port", 8883, "update"],
            ["services.0.internal_port", 8883, "update"],
            ["services.0.autostop", false, "none"],
            ["services.0.autostop", "stop", "update"],
            ["services.0.autostart", undefined, "none"],
            ["services.0.autostart", false, "update"],
            ["checks.mqtt.interval", 15_000_000_000, "none"],
            ["checks.mqtt.interval", "0m15s", "none"],
            ["checks.mqtt.interval", "30s", "update"],
            ["checks.mqtt.port", 8883, "update"],
            ["checks.more", { type: "tcp", port: 1 }, "update"],
            ["restart.policy", "no", "update"],
            ["stop_config.timeout", 30_000_000_000, "none"],
            ["stop_config.signal", "SIGINT", "update"],
            ["files", [...config.files].reverse(), "none"],
            ["files", config.files.slice(1), "update"],
            ["env", { A: "1" }, "update"],
            ["env", {}, "none"],
            ["init", {}, "none"],
            ["init", { cmd: ["sh"] }, "update"],
            ["auto_destroy", false, "none"],
            ["auto_destroy", true, "update"],
            ["metadata.owner", "others", "update"],
            ["metadata", undefined, "update"],
            ["guest", UNKNOWN, "update"],
            ["mounts", UNKNOWN, "update"],
            ["mounts.0", UNKNOWN, "update"],
            ["services", UNKNOWN, "update"],
            ["services.0.ports.0.port", UNKNOWN, "update"],
            ["env", { A: UNKNOWN }, "update"],
            ["checks.mqtt.interval", UNKNOWN, "update"],
            ["files.0.guest_path", UNKNOWN, "update"],
            ["mounts.0.extend_threshold_percent", 80, "update"],
            ["services", [], "update"],
            ["services.0.ports", [], "update"],
            ["services.0.protocol", "udp", "update"],
            ["services.0.ports.0.handlers", ["tls"], "update"],
            ["services.0.min_machines_running", 1, "update"],
            ["services.0.concurrency", { type: "connections", hard_limit: 9 }, "update"],
            ["services.0.checks", [{ type: "tcp", interval: "10s" }], "update"],
            ["checks.mqtt.timeout", "6s", "update"],
            ["checks.mqtt.grace_period", undefined, "update"],
            ["checks.mqtt.kind", "readiness", "update"],
            ["checks.mqtt", undefined, "update"],
            ["restart.max_retries", 3, "update"],
            ["stop_config", undefined, "update"],
            ["files.0.mode", 384, "update"],
            ["files.0.secret_name", "C", "update"],
            ["metrics", { port: 9091, path: "/metrics" }, "update"],
        ] as const) {
            const shown = JSON.stringify(value)?.replaceAll(UNKNOWN, "unknown").slice(0, 40);
            it(`${path} = ${shown ?? "absent"}: ${expected}`, async () => {
                const news = { ...machine, config: change(path, value) };
                assert.equal(await effectOf(Machine, { ...machine, ...state }, news), expected);
            });
        }

        // Fly's additions to the program's config.
        for (const [path, value] of [
            ["env", {}],
            ["init", {}],
            ["dns", {}],
            ["dns", { skip_registration: false }],
            ["auto_destroy", false],
            ["schedule", ""],
            ["size", "shared-cpu-1x"],
            ["image_ref", { digest: "sha256:1" }],
            ["guest.kernel_args", ["quiet"]],
            ["guest.persist_rootfs", "never"],
            ["guest.gpus", null],
            ["mounts.0.name", "mosquitto_data"],
            ["mounts.0.size_gb", 1],
            ["mounts.0.encrypted", true],
            ["mounts.0.uuid", "1"],
            ["services.0.autostop", false],
            ["services.0.min_machines_running", 0],
            ["services.0.force_instance_key", null],
            ["services.0.concurrency", null],
            ["services.0.checks", []],
            ["services.0.ports.0.handlers", []],
            ["services.0.ports.0.handlers", null],
            ["services.0.ports.0.force_https", false],
            ["services.0.ports.0.tls_options", {}],
            ["checks.mqtt.kind", "informational"],
            ["checks.mqtt.headers", []],
            ["checks.mqtt.interval", 15_000_000_000],
            ["checks.mqtt.timeout", "5000ms"],
            ["checks.mqtt.grace_period", 5_000_000_000],
            ["restart.max_retries", 10],
            ["stop_config.timeout", 30_000_000_000],
            ["files", [...config.files].reverse()],
            ["files.0.mode", 0],
            ["metadata.fly_release_id", "abc"],
            ["metadata.fly_flyctl_version", "0.3.1"],
        ] as const) {
            it(`Fly's ${path} = ${JSON.stringify(value).slice(0, 40)}: none`, async () => {
                const olds = { ...machine, ...state, config: change(path, value) };
                assert.equal(await effectOf(Machine, olds, machine), "none");
            });
        }

        for (const [drift, expected] of [
            [undefined, "none"],
            [[], "none"],
            [["cordoned"], "update"],
        ] as const) {
            it(`a machine seen with drift ${JSON.stringify(drift) ?? "absent"}: ${expected}`, async () => {
                const olds = { ...machine, ...state, drift };
                assert.equal(await effectOf(Machine, olds, machine), expected);
            });
        }

        for (const [seen, expected] of [
            ["started", "none"],
            ["stopped", "update"],
            ["suspended", "update"],
            ["failed", "update"],
        ] as const) {
            it(`a machine seen ${seen}: ${expected}`, async () => {
                const olds = { ...machine, ...state, state: seen };
                assert.equal(await effectOf(Machine, olds, machine), expected);
            });
        }

        it("a machine stopped where the proxy may stop it: none", async () => {
            const autostop = change("services.0.autostop", "stop");
            const olds = { ...machine, ...state, config: autostop, state: "stopped" };
            assert.equal(await effectOf(Machine, olds, { ...machine, config: autostop }), "none");
        });
    });
});
