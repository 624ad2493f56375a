/** Renders the machine's configuration at Fly. A pure function of the settings, and of what it mounts and runs. */
import {
    CERTIFICATE_PORT,
    confFiles,
    EDGE_MQTT_PORT,
    EDGE_WEBSOCKETS_PORT,
    GIVEN,
    MONITOR_PORT,
    MQTT_PORT,
    WEBSOCKETS_PORT,
} from "../broker/conf.ts";
import type { Settings } from "../config/settings.ts";
import type { MachineConfig, MachineGuest, MachineService } from "../providers/index.ts";

export type MachineSettings = Pick<Settings, "broker" | "guest" | "metrics" | "ports">;

/** Image, volume and files of the machine. In the program they are outputs, which a preview may not know. */
interface Contents<Value> {
    /** `REGISTRY/APP@sha256:…` */
    image: Value;
    volumeId: Value;
    /** App secrets that carry the machine's files, in their order. */
    secretNames: readonly string[];
}

type Rendered<Value> = Omit<MachineConfig, "image" | "mounts"> & {
    image: Value;
    mounts: { volume: Value; path: string }[];
};

export function machineConfig<Value>(
    settings: MachineSettings,
    { image, volumeId, secretNames }: Contents<Value>,
): Rendered<Value> {
    return {
        image,
        guest: guestOf(settings.guest),
        mounts: [{ volume: volumeId, path: "/mosquitto/data" }],
        files: [
            ...secretNames.map((secret_name, at) => ({
                guest_path: `${GIVEN}/files.${twoDigits(at + 1)}`,
                secret_name,
            })),
            ...confFiles(settings.broker),
        ],
        services: servicesOf(settings),
        checks: {
            mqtt: {
                type: "http",
                port: MONITOR_PORT,
                method: "GET",
                path: "/health",
                interval: "5s",
                // Longer than the monitor waits for its own message.
                timeout: "5s",
                grace_period: "1s",
            },
        },
        ...(settings.metrics && { metrics: { port: MONITOR_PORT, path: "/metrics" } }),
        restart: { policy: "always" },
        // Mosquitto saves its store on SIGTERM, which takes a while for a large one.
        stop_config: { signal: "SIGTERM", timeout: "30s" },
    };
}

export function guestOf({ cpuKind, cpus, memoryMb }: Settings["guest"]): MachineGuest {
    return { cpu_kind: cpuKind, cpus, memory_mb: memoryMb };
}

/** Pads a number, so that names sort by it. */
export function twoDigits(number: number): string {
    return String(number).padStart(2, "0");
}

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
function servicesOf({ broker, ports }: MachineSettings) {
    const service = (
        internal_port: number,
        entry: NonNullable<MachineService["ports"]>[number],
    ): MachineService => ({
        protocol: "tcp",
        internal_port,
        ports: [entry],
        autostart: true,
        autostop: "off",
        concurrency: {
            type: "connections",
            soft_limit: broker.limits.connections,
            hard_limit: Math.ceil(broker.limits.connections * PROXY_HEADROOM),
        },
    });
    const services = [
        broker.tls === "edge"
            ? service(EDGE_MQTT_PORT, {
                  port: ports.mqtt,
                  handlers: ["tls"],
                  tls_options: { alpn: ["mqtt"] },
              })
            : // No handlers: raw TCP, since TLS ends in Mosquitto.
              service(MQTT_PORT, { port: ports.mqtt }),
    ];
    if (broker.clientCertificates === "optional") {
        services.push(service(CERTIFICATE_PORT, { port: ports.certificates }));
    }
    if (broker.webSockets === "edge") {
        // No HTTP/2: its WebSockets need an extension that some clients lack.
        const tls_options = { alpn: ["http/1.1"] };
        const entry = { port: ports.webSockets, handlers: ["tls", "http"], tls_options };
        services.push(service(EDGE_WEBSOCKETS_PORT, entry));
    }
    if (broker.webSockets === "broker") {
        services.push(service(WEBSOCKETS_PORT, { port: ports.webSockets }));
    }
    return services;
}
