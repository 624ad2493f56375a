import assert from "node:assert/strict";
import { MQTT_PORT } from "../../broker/conf.ts";
import { limitsOf } from "../../broker/limits.ts";
import { servicesOf } from "../../components/services.ts";
import type { Settings } from "../../config/settings.ts";
import { CONF } from "../../dev/harness/brokerConf.ts";

describe("services", () => {
    const settings = (connections: number) => ({
        ...{ port: 10000, webSocketsPort: 8443 },
        clientCertificates: { mode: "optional", port: 10001, devices: [] },
        broker: {
            ...CONF,
            clientCertificates: "optional" as const,
            webSockets: "broker" as const,
            limits: { ...limitsOf(256), connections },
        },
    });

    it("let the broker refuse clients, and Fly's proxy only a flood", () => {
        for (const connections of [1, 25, 1024]) {
            const services = servicesOf(settings(connections) as unknown as Settings);
            assert.equal(services.length, 3);
            assert.equal(services[0]!.internal_port, MQTT_PORT);
            for (const { concurrency } of services) {
                assert.equal(concurrency.type, "connections");
                assert.equal(concurrency.soft_limit, connections);
                assert.ok(concurrency.hard_limit > connections, JSON.stringify(concurrency));
                assert.ok(concurrency.hard_limit <= Math.ceil(connections * 1.25));
            }
        }
    });
});
