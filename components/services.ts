import {
    CERTIFICATE_PORT,
    EDGE_MQTT_PORT,
    EDGE_WEBSOCKETS_PORT,
    MQTT_PORT,
    WEBSOCKETS_PORT,
} from "../broker/conf.ts";
import type { Settings } from "../config/settings.ts";

/**
 * Connections that Fly's proxy brings to a service for each that the broker takes. The broker is the one to
 * refuse: it says so at once, while the proxy lets a client wait, and learns late that a connection has
 * ended. Above it the proxy keeps a flood away from the machine. Unset, Fly's proxy knows no hard limit, and
 * takes a machine for loaded from 20 connections on; flyctl once wrote 25 as hard limit.
 */
const PROXY_HEADROOM = 1.25;

/**
 * What Fly's proxy brings from outside to the machine's listeners: one external port each. Another limit
 * of connections restarts the machine, as it does in the broker's configuration.
 */
export function servicesOf({ port, webSocketsPort, broker, clientCertificates }: Settings) {
    const service = (internal_port: number, entry: Record<string, unknown> & { port: number }) => ({
        protocol: "tcp" as const,
        internal_port,
        ports: [entry],
        autostart: true,
        autostop: "off" as const,
        concurrency: {
            type: "connections",
            soft_limit: broker.limits.connections,
            hard_limit: Math.ceil(broker.limits.connections * PROXY_HEADROOM),
        },
    });
    const services = [
        broker.tls === "edge"
            ? service(EDGE_MQTT_PORT, { port, handlers: ["tls"], tls_options: { alpn: ["mqtt"] } })
            : // No handlers: raw TCP, since TLS ends in Mosquitto.
              service(MQTT_PORT, { port }),
    ];
    if (clientCertificates.mode === "optional") {
        services.push(service(CERTIFICATE_PORT, { port: clientCertificates.port }));
    }
    if (broker.webSockets === "edge") {
        // Not HTTP/2, which has WebSockets only by an extension that not every client knows.
        const tls_options = { alpn: ["http/1.1"] };
        const entry = { port: webSocketsPort, handlers: ["tls", "http"], tls_options };
        services.push(service(EDGE_WEBSOCKETS_PORT, entry));
    }
    if (broker.webSockets === "broker") {
        services.push(service(WEBSOCKETS_PORT, { port: webSocketsPort }));
    }
    return services;
}
