import assert from "node:assert/strict";
import { App, IpAddress, Machine, Secrets, Volume } from "../../providers/entry.ts";
import { APP_RULES } from "../../providers/fly/app.ts";
import { IP_RULES } from "../../providers/fly/ip.ts";
import { MACHINE_RULES, type MachineOutputs } from "../../providers/fly/machine.ts";
import { VOLUME_RULES } from "../../providers/fly/volume.ts";
import { UNKNOWN } from "../../providers/provider.ts";

type Diff = (
    id: string,
    olds: never,
    news: never,
) => Promise<{ changes?: boolean; replaces?: string[]; deleteBeforeReplace?: boolean }>;

/** none, update, or the properties that replace; + when the old one goes first. */
async function effectOf(provider: { diff: Diff }, olds: object, news: object): Promise<string> {
    const result = await provider.diff("id", olds as never, news as never);
    if (result.changes !== true) {
        assert.deepEqual(result.replaces, []);
        return "none";
    }
    const replaces = result.replaces ?? [];
    if (replaces.length === 0) {
        return "update";
    }
    return `replace ${replaces.join(" ")}${result.deleteBeforeReplace ? " (delete first)" : ""}`;
}

const endpoint = "http://127.0.0.1:4280";
const owner = { project: "p", stack: "dev" };

type Case = readonly [change: object, expected: string];

function table(
    noun: string,
    provider: { diff: Diff },
    inputs: object,
    outputs: object,
    cases: readonly Case[],
    rules?: object,
): void {
    describe(noun, () => {
        const olds = { ...inputs, ...outputs, __provider: "old code" };

        it("is unchanged when nothing is, whatever the delegate's text", async () => {
            assert.equal(await effectOf(provider, olds, { ...inputs, __provider: "new" }), "none");
        });

        for (const [change, expected] of cases) {
            it(`${JSON.stringify(change).replaceAll(UNKNOWN, "unknown")}: ${expected}`, async () => {
                assert.equal(await effectOf(provider, olds, { ...inputs, ...change }), expected);
            });
        }

        if (rules) {
            it("has a case for every property", () => {
                const tested = new Set(cases.flatMap(([change]) => Object.keys(change)));
                assert.deepEqual(
                    Object.keys(rules).filter((key) => !tested.has(key)),
                    [],
                );
            });
        }
    });
}

describe("diff", () => {
    table(
        "app",
        App,
        { endpoint, name: "a", organization: "personal", owner },
        { appId: "app1", organizationSlug: "jane", hostname: "a.fly.dev" },
        [
            [{ endpoint: "http://127.0.0.1:4290" }, "update"],
            [{ name: "b" }, "replace name"],
            [{ organization: "other" }, "replace organization (delete first)"],
            [{ name: "b", organization: "other" }, "replace name organization"],
            [{ organization: "jane" }, "none"],
            [{ owner: { ...owner, stack: "prod" } }, "update"],
            [{ name: UNKNOWN, organization: UNKNOWN }, "none"],
            [{ endpoint: UNKNOWN }, "update"],
        ],
        APP_RULES,
    );

    table(
        "address",
        IpAddress,
        { endpoint, app: "a", type: "v6" },
        { address: "::1", shared: false },
        [
            [{ endpoint: "http://127.0.0.1:4290" }, "update"],
            [{ app: "b" }, "replace app"],
            [{ type: "v4" }, "replace type"],
            [{ region: "lhr" }, "replace region (delete first)"],
            [{ region: undefined }, "none"],
            [{ app: UNKNOWN }, "none"],
        ],
        IP_RULES,
    );

    table(
        "volume",
        Volume,
        { endpoint, app: "a", name: "data", region: "lhr", sizeGb: 3 },
        { volumeId: "vol_1", zone: "1234", encrypted: true, fstype: "ext4", state: "created" },
        [
            [{ endpoint: "http://127.0.0.1:4290" }, "update"],
            [{ app: "b" }, "replace app"],
            [{ name: "other" }, "replace name"],
            [{ region: "ams" }, "replace region"],
            [{ sizeGb: 4 }, "update"],
            [{ snapshotRetentionDays: 7 }, "update"],
            [{ autoBackup: false }, "update"],
            [{ snapshotRetentionDays: undefined, autoBackup: undefined }, "none"],
            [{ owner }, "update"],
            [{ app: UNKNOWN, region: UNKNOWN }, "none"],
            [{ sizeGb: UNKNOWN }, "update"],
        ],
        VOLUME_RULES,
    );

    it("deletes a volume, machine, app or address first where a new one would take it for its own", async () => {
        const volume = { endpoint, app: "a", name: "data", region: "lhr", sizeGb: 3 };
        // With --replace the engine takes this even where nothing changed.
        for (const [provider, props] of [
            [Volume, volume],
            [App, { endpoint, name: "a", organization: "o", owner }],
            [IpAddress, { endpoint, app: "a", type: "v6" }],
        ] as const) {
            const result = await (provider as { diff: Diff }).diff(
                "id",
                props as never,
                props as never,
            );
            assert.equal(result.deleteBeforeReplace, true);
        }
    });

    describe("secrets", () => {
        async function made(values: Record<string, string>) {
            // What `create` keeps: hashes, not values.
            const { createHmac } = await import("node:crypto");
            const salt = Buffer.from("salt").toString("base64");
            const hash = (value: string) =>
                createHmac("sha256", Buffer.from(salt, "base64")).update(value).digest("base64");
            return {
                endpoint,
                app: "a",
                version: 1,
                salt,
                digests: Object.fromEntries(Object.keys(values).map((name) => [name, "d"])),
                fingerprints: Object.fromEntries(
                    Object.entries(values).map(([name, value]) => [name, hash(value)]),
                ),
            };
        }

        for (const [what, change, expected] of [
            ["nothing", {}, "none"],
            ["the order", { values: { B: "2", A: "1" } }, "none"],
            ["a value", { values: { A: "1", B: "3" } }, "update"],
            ["a new name", { values: { A: "1", B: "2", C: "3" } }, "update"],
            ["a removed name", { values: { A: "1" } }, "update"],
            ["an unknown value", { values: { A: "1", B: UNKNOWN } }, "update"],
            ["unknown values", { values: UNKNOWN }, "update"],
            ["the endpoint", { endpoint: "http://127.0.0.1:4290" }, "update"],
            ["the app", { app: "b" }, "replace app"],
            ["an unknown app", { app: UNKNOWN }, "none"],
        ] as const) {
            it(`${what}: ${expected}`, async () => {
                const olds = await made({ A: "1", B: "2" });
                const news = { endpoint, app: "a", values: { A: "1", B: "2" }, ...change };
                assert.equal(await effectOf(Secrets, olds, news), expected);
            });
        }
    });

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
            [{ timeouts: { create: 5 } }, "none"],
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
        ] as const) {
            const shown = JSON.stringify(value)?.replaceAll(UNKNOWN, "unknown").slice(0, 40);
            it(`${path} = ${shown ?? "absent"}: ${expected}`, async () => {
                const news = { ...machine, config: change(path, value) };
                assert.equal(await effectOf(Machine, { ...machine, ...state }, news), expected);
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

        it("a machine stopped where the proxy may do that: none", async () => {
            const autostop = change("services.0.autostop", "stop");
            const olds = { ...machine, ...state, config: autostop, state: "stopped" };
            assert.equal(await effectOf(Machine, olds, { ...machine, config: autostop }), "none");
        });
    });
});
