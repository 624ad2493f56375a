/**
 * Renders mosquitto.conf from the stack's settings, once for each series. The machine gets both as plain files,
 * since only the image knows its series; its entrypoint picks one.
 *
 * A block is a list of lines: first the global options, then the listeners, each followed by its own options,
 * since an option belongs to the listener above it.
 */

import type { Limits } from "./limits.ts";

/** Supported series of Mosquitto. 2.1 needs plugins where 2.0 has options. */
export const SERIES = ["2.1", "2.0"] as const;
export type Series = (typeof SERIES)[number];

/** Settings that are one of several words; the first is the default. */
export const MODES = {
    tls: ["broker", "edge"],
    webSockets: ["off", "edge", "broker"],
    clientIds: ["any", "user"],
    clientCertificates: ["off", "optional", "required"],
} as const;
type Mode<Setting extends keyof typeof MODES> = (typeof MODES)[Setting][number];

/** Settings of the broker. A change restarts the machine. */
export interface BrokerConf {
    /** Whether messages may be retained; if not, a client that asks gets an error or is disconnected. */
    retained: boolean;
    /** Whether the broker ends TLS with its own certificate, or Fly's edge with a public one. */
    tls: Mode<"tls">;
    /** Where TLS of MQTT over WebSockets ends. */
    webSockets: Mode<"webSockets">;
    limits: Limits;
    /** Whether a client chooses its ID (`any`), or gets its user's name (`user`). */
    clientIds: Mode<"clientIds">;
    /** Whether clients log in with certificates; `optional` gives them a listener of their own. */
    clientCertificates: Mode<"clientCertificates">;
}

/**
 * Folder for the files that the machine is given, where the image's entrypoint reads them. Not below /run, where
 * an init may mount a file system over them (superfly/init-snapshot).
 */
export const GIVEN = "/etc/appkata";
const KEPT = "/etc/mosquitto";

/**
 * Ports inside the machine, for MQTT and for MQTT over WebSockets, each with the broker's TLS or behind Fly's
 * edge.
 */
export const MQTT_PORT = 1883;
export const EDGE_MQTT_PORT = 1884;
export const EDGE_WEBSOCKETS_PORT = 9001;
export const WEBSOCKETS_PORT = 9002;
/** Port for clients with certificates where others have passwords: only `require_certificate` requests one. */
export const CERTIFICATE_PORT = 1885;
/** Port where the monitor, not the broker, answers health checks and metrics scrapes (broker-monitor). */
export const MONITOR_PORT = 9883;
/** Socket for the monitor, in a folder that only the broker's user can read. */
const MONITOR_SOCKET = "/run/broker/socket";
/** Generated from the ACL file at each start (broker-subscriptions). */
const SUBSCRIPTIONS = "/run/broker/subscriptions.json";

/** Two, plus stale ones after the monitor restarted. */
const MONITOR_CONNECTIONS = 10;

type Block = string[];

export function renderConf(series: Series, conf: BrokerConf): string {
    const blocks: Block[] = [
        ["# From the stack's settings. Each line's reason is in the project's broker/conf.ts."],
        persistence(series),
        limits(series, conf),
        log(),
        users(series),
        mqttListener(series, conf),
        conf.clientCertificates === "optional"
            ? certificateListener(series, CERTIFICATE_PORT, conf)
            : [],
        webSocketsListener(series, conf),
        monitorListener(series),
    ];
    return blocks
        .filter((block) => block.length > 0)
        .map((block) => `${block.join("\n")}\n`)
        .join("\n");
}

/** Renders the files for a machine's configuration, in base64. */
export function confFiles(conf: BrokerConf): { guest_path: string; raw_value: string }[] {
    return SERIES.map((series) => ({
        guest_path: `${GIVEN}/mosquitto-${series}.conf`,
        raw_value: Buffer.from(renderConf(series, conf)).toString("base64"),
    }));
}

/**
 * 2.1 writes retained and queued messages, subscriptions and sessions to mosquitto.sqlite3 before it handles the
 * next packets, so a SIGKILL loses nothing that was acknowledged. A flush period of 0 costs no measurable
 * throughput; autosave_on_changes costs 90 %.
 *
 * 2.0 saves whenever something has changed. Each save writes the whole file, which limits QoS 1 to some hundred
 * messages a second; saving at intervals is faster but loses more than a second.
 */
function persistence(series: Series): Block {
    return series === "2.1"
        ? [
              "persistence_location /mosquitto/data/",
              "global_plugin /usr/lib/mosquitto_persist_sqlite.so",
              "plugin_opt_flush_period 0",
          ]
        : [
              "persistence true",
              "persistence_location /mosquitto/data",
              "autosave_on_changes true",
              "autosave_interval 1",
          ];
}

/**
 * Limits memory and connections. The heap limit lets the broker refuse one client before the kernel kills it for all.
 * 2.0 gets none: its official image does not measure its heap, and 2.0.21 with glibc miscounts with each change of a
 * subscription's rule, until nothing fits (fixed in 2.0.22). The monitor's connections come on top of the clients'.
 */
function limits(series: Series, { retained, limits }: BrokerConf): Block {
    return [
        ...(series === "2.1"
            ? [
                  `memory_limit ${limits.memoryMb * 1024 * 1024}`,
                  `global_max_connections ${limits.connections + MONITOR_CONNECTIONS}`,
              ]
            : []),
        `max_packet_size ${limits.packetBytes}`,
        `max_queued_messages ${limits.queuedMessages}`,
        `max_queued_bytes ${limits.queuedBytes}`,
        `max_inflight_messages ${limits.inflightMessages}`,
        ...(limits.keepaliveSeconds > 0 ? [`max_keepalive ${limits.keepaliveSeconds}`] : []),
        ...(limits.sessionExpiryDays > 0
            ? [`persistent_client_expiration ${limits.sessionExpiryDays}d`]
            : []),
        ...(retained ? [] : ["retain_available false"]),
    ];
}

/** Logs to stdout, without subscriptions and payloads. */
function log(): Block {
    return [
        "log_dest stdout",
        "log_timestamp_format %Y-%m-%dT%H:%M:%SZ",
        ...["error", "warning", "notice", "information"].map((type) => `log_type ${type}`),
    ];
}

/**
 * Denies on every listener what the ACL file does not grant: in 2.1 a listener without an ACL would allow everything.
 * In 2.0 the options are global, since per-listener ones keep restored messages from everybody. `check_retain_source`
 * delivers a retained message only while its author may write there; 2.1 does not check restored messages.
 *
 * The ACL file checks messages, and the dynamic-security plugin checks subscriptions. So 2.1 asks the plugin before the
 * ACL file, which grants all subscriptions, and after the password file, since the plugin knows no passwords. 2.0 asks
 * plugins first, and this one leaves passwords to the file.
 */
function users(series: Series): Block {
    const ofRetained = "check_retain_source true";
    const subscriptions = [
        `${series === "2.1" ? "global_plugin" : "plugin"} /usr/lib/mosquitto_dynamic_security.so`,
        `plugin_opt_config_file ${SUBSCRIPTIONS}`,
    ];
    return series === "2.1"
        ? [
              ofRetained,
              "global_plugin /usr/lib/mosquitto_password_file.so",
              `plugin_opt_password_file ${KEPT}/passwd`,
              ...subscriptions,
              "global_plugin /usr/lib/mosquitto_acl_file.so",
              `plugin_opt_acl_file ${KEPT}/acl`,
          ]
        : [
              ofRetained,
              "allow_anonymous false",
              `password_file ${KEPT}/passwd`,
              `acl_file ${KEPT}/acl`,
              ...subscriptions,
          ];
}

/**
 * Options of a listener for clients: a connection limit, and no anonymous clients. 2.1 also limits connections over
 * all listeners; 2.0 cannot, so there each listener gets an equal share.
 */
function forClients(series: Series, conf: BrokerConf): Block {
    const listeners =
        1 + Number(conf.clientCertificates === "optional") + Number(conf.webSockets !== "off");
    const part = Math.max(1, Math.floor(conf.limits.connections / listeners));
    return [
        `max_connections ${series === "2.1" ? conf.limits.connections : part}`,
        ...(series === "2.1" ? ["listener_allow_anonymous false"] : []),
        ...(conf.clientIds === "user" ? ["use_username_as_clientid true"] : []),
    ];
}

/** TLS that ends in the broker. `tls_version` is the minimum, so 1.3 is offered too; `ciphers` applies to 1.2. */
function ownTls(): Block {
    return [
        `certfile ${KEPT}/certs/server.crt`,
        `keyfile ${KEPT}/certs/server.key`,
        "tls_version tlsv1.2",
        "ciphers ECDHE+AESGCM:ECDHE+CHACHA20",
    ];
}

function mqttListener(series: Series, conf: BrokerConf): Block {
    if (conf.clientCertificates === "required") return certificateListener(series, MQTT_PORT, conf);
    return conf.tls === "edge"
        ? [behindEdge(EDGE_MQTT_PORT), ...forClients(series, conf)]
        : [`listener ${MQTT_PORT}`, ...forClients(series, conf), ...ownTls()];
}

function webSocketsListener(series: Series, conf: BrokerConf): Block {
    const { webSockets } = conf;
    if (webSockets === "off") return [];
    const rest = ["protocol websockets", ...forClients(series, conf)];
    return webSockets === "edge"
        ? [behindEdge(EDGE_WEBSOCKETS_PORT), ...rest]
        : [`listener ${WEBSOCKETS_PORT}`, ...rest, ...ownTls()];
}

/**
 * A listener without TLS, for Fly's edge alone: the edge connects by IPv4, while the private network, from which
 * others could connect, has only IPv6.
 */
function behindEdge(port: number): string {
    return `listener ${port} 0.0.0.0`;
}

/**
 * A listener for certificates, whose common name is the user. It checks no password, so only the revocation list
 * keeps a former user out. A listener with a revocation list reloads it and the CAs at SIGHUP
 * (`mosquitto_security_apply_default`, both series); one without never does.
 */
function certificateListener(series: Series, port: number, conf: BrokerConf): Block {
    return [
        `listener ${port}`,
        ...forClients(series, conf),
        ...ownTls(),
        `cafile ${KEPT}/certs/client-ca.crt`,
        `crlfile ${KEPT}/certs/client-ca.crl`,
        "require_certificate true",
        "use_identity_as_username true",
    ];
}

/** A listener for the monitor, which logs in like any user. Clients here may change who subscribes to what. */
function monitorListener(series: Series): Block {
    return [
        `listener 0 ${MONITOR_SOCKET}`,
        `max_connections ${MONITOR_CONNECTIONS}`,
        ...(series === "2.1" ? ["listener_allow_anonymous false"] : []),
    ];
}
