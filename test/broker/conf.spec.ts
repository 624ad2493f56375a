import assert from "node:assert/strict";
import { confFiles, renderConf, SERIES } from "../../broker/conf.ts";
import { CONF } from "../../dev/harness/brokerConf.ts";

const HEADER =
    "# From the stack's settings. Each line's reason is in the project's broker/conf.ts.\n";

const LOG = `log_dest stdout
log_timestamp_format %Y-%m-%dT%H:%M:%SZ
log_type error
log_type warning
log_type notice
log_type information
`;

const TLS = `certfile /etc/mosquitto/certs/server.crt
keyfile /etc/mosquitto/certs/server.key
tls_version tlsv1.2
ciphers ECDHE+AESGCM:ECDHE+CHACHA20
`;

describe("mosquitto.conf", () => {
    it("for 2.1 loads plugins in this order: passwords, subscriptions, ACL", () => {
        assert.equal(
            renderConf("2.1", CONF),
            `${HEADER}
persistence_location /mosquitto/data/
global_plugin /usr/lib/mosquitto_persist_sqlite.so
plugin_opt_flush_period 0

memory_limit 134217728
global_max_connections 1034
max_packet_size 2097152
max_queued_messages 10000
max_queued_bytes 8388608
max_inflight_messages 20

${LOG}
check_retain_source true
global_plugin /usr/lib/mosquitto_password_file.so
plugin_opt_password_file /etc/mosquitto/passwd
global_plugin /usr/lib/mosquitto_dynamic_security.so
plugin_opt_config_file /run/broker/subscriptions.json
global_plugin /usr/lib/mosquitto_acl_file.so
plugin_opt_acl_file /etc/mosquitto/acl

listener 1883
max_connections 1024
listener_allow_anonymous false
${TLS}
listener 0 /run/broker/socket
max_connections 10
listener_allow_anonymous false
`,
        );
    });

    it("has a listener for certificates beside the one for passwords, or instead of it", () => {
        const ofClients = `${TLS}cafile /etc/mosquitto/certs/client-ca.crt
crlfile /etc/mosquitto/certs/client-ca.crl
require_certificate true
use_identity_as_username true
`;
        const all = `max_connections ${CONF.limits.connections}\n`;
        // 2.0 limits each listener.
        const half = `max_connections ${CONF.limits.connections / 2}\n`;
        const [single, ofTwo] = [
            { "2.1": `${all}listener_allow_anonymous false\n`, "2.0": all },
            { "2.1": `${all}listener_allow_anonymous false\n`, "2.0": half },
        ];
        for (const series of SERIES) {
            const optional = renderConf(series, { ...CONF, clientCertificates: "optional" });
            const usual = renderConf(series, CONF);
            const own = `\nlistener 1885\n${ofTwo[series]}${ofClients}`;
            assert.ok(optional.includes(own), optional);
            assert.equal(optional.replace(own, "").replace(half, all), usual);
            const required = renderConf(series, { ...CONF, clientCertificates: "required" });
            assert.ok(required.includes(`\nlistener 1883\n${single[series]}${ofClients}`));
            assert.equal(required.split("\nlistener ").length, usual.split("\nlistener ").length);
        }
    });

    it("for 2.0 has options, with the same users on all listeners", () => {
        assert.equal(
            renderConf("2.0", CONF),
            `${HEADER}
persistence true
persistence_location /mosquitto/data
autosave_on_changes true
autosave_interval 1

max_packet_size 2097152
max_queued_messages 10000
max_queued_bytes 8388608
max_inflight_messages 20

${LOG}
check_retain_source true
allow_anonymous false
password_file /etc/mosquitto/passwd
acl_file /etc/mosquitto/acl
plugin /usr/lib/mosquitto_dynamic_security.so
plugin_opt_config_file /run/broker/subscriptions.json

listener 1883
max_connections 1024
${TLS}
listener 0 /run/broker/socket
max_connections 10
`,
        );
    });

    it("limits the clients of all listeners together to what the machine takes", () => {
        for (const connections of [1024, 100, 7]) {
            const limits = { ...CONF.limits, connections };
            for (const webSockets of ["off", "edge", "broker"] as const) {
                for (const clientCertificates of ["off", "optional", "required"] as const) {
                    const conf = { ...CONF, limits, webSockets, clientCertificates };
                    // The last listener belongs to the health check.
                    const each = renderConf("2.0", conf)
                        .match(/^max_connections \d+$/gm)!
                        .slice(0, -1)
                        .map((line) => Number(line.split(" ")[1]));
                    const sum = each.reduce((a, b) => a + b, 0);
                    assert.ok(sum <= connections && sum > connections - each.length, `${sum}`);
                    const global = `global_max_connections ${connections + 10}\n`;
                    assert.ok(renderConf("2.1", conf).includes(global));
                }
            }
        }
    });

    it("has the longest keepalive and the sessions' expiry if they are set", () => {
        for (const series of SERIES) {
            const limits = { ...CONF.limits, keepaliveSeconds: 600, sessionExpiryDays: 14 };
            const lines = renderConf(series, { ...CONF, limits }).split("\n");
            const unset = renderConf(series, CONF).split("\n");
            assert.deepEqual(
                lines.filter((line) => !unset.includes(line)),
                ["max_keepalive 600", "persistent_client_expiration 14d"],
            );
        }
    });

    it("turns retained messages off in both series", () => {
        for (const series of SERIES) {
            const lines = renderConf(series, { ...CONF, retained: false }).split("\n");
            assert.equal(lines.filter((line) => line === "retain_available false").length, 1);
        }
    });

    it("is rendered for each series, because only the image knows its own", () => {
        const files = confFiles(CONF);
        assert.deepEqual(
            files.map(({ guest_path, raw_value }) => [
                guest_path,
                Buffer.from(raw_value, "base64").toString(),
            ]),
            [
                ["/etc/appkata/mosquitto-2.1.conf", renderConf("2.1", CONF)],
                ["/etc/appkata/mosquitto-2.0.conf", renderConf("2.0", CONF)],
            ],
        );
    });

    it("has a listener for each enabled protocol, and none allows anonymous clients", () => {
        const listeners = (conf: Partial<typeof CONF>) =>
            renderConf("2.1", { ...CONF, ...conf })
                .split(/^(?=listener )/m)
                .slice(1, -1);
        const users = "max_connections 1024\nlistener_allow_anonymous false\n";
        const edge = `listener 1884 0.0.0.0\n${users}`;
        const behind = `listener 9001 0.0.0.0\nprotocol websockets\n${users}`;
        const own = `listener 9002\nprotocol websockets\n${users}${TLS}`;
        const trimmed = (conf: Partial<typeof CONF>) =>
            listeners(conf).map((text) => `${text.trimEnd()}\n`);
        assert.deepEqual(trimmed({ tls: "edge" }), [edge]);
        assert.deepEqual(trimmed({ tls: "edge", webSockets: "edge" }), [edge, behind]);
        assert.equal(trimmed({ webSockets: "broker" })[1], own);
    });
});
