import {
    CERTIFICATE_PORT,
    EDGE_MQTT_PORT,
    EDGE_WEBSOCKETS_PORT,
    MQTT_PORT,
    WEBSOCKETS_PORT,
} from "../broker/conf.ts";
import type { Settings } from "../config/settings.ts";

/** What Fly's proxy brings from outside to the machine's listeners: one external port each. */
export function servicesOf({ port, webSocketsPort, broker, clientCertificates }: Settings) {
    const service = (internal_port: number, entry: Record<string, unknown> & { port: number }) => ({
        protocol: "tcp" as const,
        internal_port,
        ports: [entry],
        autostart: true,
        autostop: "off" as const,
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
