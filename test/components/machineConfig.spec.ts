import assert from "node:assert/strict";
import { limitsOf } from "../../broker/limits.ts";
import { machineConfig, type MachineSettings } from "../../components/machineConfig.ts";
import type { MachineConfig } from "../../providers/index.ts";
import { CONF } from "../../dev/harness/brokerConf.ts";

const SETTINGS: MachineSettings = {
    guest: { cpuKind: "shared", cpus: 1, memoryMb: 256 },
    metrics: true,
    ports: { mqtt: 10000, webSockets: 8443, certificates: 10001 },
    broker: CONF,
};
const CONTENTS = { image: "registry/app@sha256:1", volumeId: "vol_1", secretNames: ["FILES"] };

const render = (broker: Partial<MachineSettings["broker"]>, more: Partial<MachineSettings> = {}) =>
    machineConfig({ ...SETTINGS, ...more, broker: { ...CONF, ...broker } }, CONTENTS);

/** A service's ports: external, handlers, internal. */
const portsOf = ({ services = [] }: Pick<MachineConfig, "services">) =>
    services.map(({ internal_port, ports: [entry] = [] }) =>
        [entry?.port, ...(entry?.handlers ?? []), internal_port].join(" → "),
    );

describe("machine's configuration", () => {
    it("has all that Fly needs to run the broker", () => {
        const { files, services, ...rest } = render({});
        assert.deepEqual(rest, {
            image: CONTENTS.image,
            guest: { cpu_kind: "shared", cpus: 1, memory_mb: 256 },
            mounts: [{ volume: "vol_1", path: "/mosquitto/data" }],
            checks: {
                mqtt: {
                    ...{ type: "http", port: 9883, method: "GET", path: "/health" },
                    ...{ interval: "5s", timeout: "5s", grace_period: "1s" },
                },
            },
            metrics: { port: 9883, path: "/metrics" },
            restart: { policy: "always" },
            stop_config: { signal: "SIGTERM", timeout: "30s" },
        });
        assert.deepEqual(
            files!.map(({ guest_path, secret_name }) => [guest_path, secret_name]),
            [
                ["/etc/appkata/files.01", "FILES"],
                ["/etc/appkata/mosquitto-2.1.conf", undefined],
                ["/etc/appkata/mosquitto-2.0.conf", undefined],
            ],
        );
        assert.deepEqual(services, [
            {
                ...{ protocol: "tcp", internal_port: 1883, ports: [{ port: 10000 }] },
                ...{ autostart: true, autostop: "off" },
                concurrency: { type: "connections", soft_limit: 1024, hard_limit: 1280 },
            },
        ]);
    });

    for (const [what, broker, expected] of [
        ["the broker's TLS", {}, ["10000 → 1883"]],
        ["TLS at the edge", { tls: "edge" }, ["10000 → tls → 1884"]],
        [
            "optional certificates",
            { clientCertificates: "optional" },
            ["10000 → 1883", "10001 → 1885"],
        ],
        ["required certificates", { clientCertificates: "required" }, ["10000 → 1883"]],
        [
            "WebSockets at the edge",
            { webSockets: "edge" },
            ["10000 → 1883", "8443 → tls → http → 9001"],
        ],
        ["the broker's WebSockets", { webSockets: "broker" }, ["10000 → 1883", "8443 → 9002"]],
    ] as const) {
        it(`exposes one port per listener: ${what}`, () => {
            assert.deepEqual(portsOf(render(broker)), expected);
        });
    }

    it("lets the broker refuse clients, and Fly's proxy only a flood", () => {
        for (const connections of [1, 25, 1024]) {
            const { services } = render({ limits: { ...limitsOf(256), connections } });
            const { type, soft_limit, hard_limit = 0 } = services![0]!.concurrency!;
            assert.deepEqual([type, soft_limit], ["connections", connections]);
            assert.ok(hard_limit > connections, String(hard_limit));
            assert.ok(hard_limit <= Math.ceil(connections * 1.25), String(hard_limit));
        }
    });

    it("reads its files from several secrets where one has no room for them", () => {
        const secretNames = Array.from({ length: 16 }, (_, at) => `FILES_${at}`);
        const { files } = machineConfig(SETTINGS, { ...CONTENTS, secretNames });
        const given = files!.filter(({ secret_name }) => secret_name !== undefined);
        assert.deepEqual(
            given.map(({ secret_name }) => secret_name),
            secretNames,
        );
        const paths = given.map(({ guest_path }) => guest_path);
        assert.deepEqual(paths, paths.toSorted());
    });

    it("has no metrics where Fly shall collect none", () => {
        assert.ok(!("metrics" in render({}, { metrics: false })));
    });
});
