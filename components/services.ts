import {
    CERTIFICATE_PORT,
    EDGE_MQTT_PORT,
    EDGE_WEBSOCKETS_PORT,
    MQTT_PORT,
    WEBSOCKETS_PORT,
} from "../broker/conf.ts";
import type { Settings } from "../config/settings.ts";

/**
 * Ratio of the proxy's connection limit to the broker's. The broker should be the one that refuses: it does so
 * at once, while Fly's proxy lets a client wait and notices late that a connection has ended. Above its limit
 * the proxy keeps a flood away from the machine. By default the proxy has no hard limit and considers a machine
 * loaded from 20 connections on; flyctl once wrote a hard limit of 25.
 */
const PROXY_HEADROOM = 1.25;

/**
 * Renders the services of Fly's proxy: one external port per listener of the machine. A changed connection
 * limit restarts the machine, which the broker's configuration demands anyway.
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
        // No HTTP/2: its WebSockets need an extension that some clients lack.
        const tls_options = { alpn: ["http/1.1"] };
        const entry = { port: webSocketsPort, handlers: ["tls", "http"], tls_options };
        services.push(service(EDGE_WEBSOCKETS_PORT, entry));
    }
    if (broker.webSockets === "broker") {
        services.push(service(WEBSOCKETS_PORT, { port: webSocketsPort }));
    }
    return services;
}
