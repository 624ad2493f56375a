/** A client of the deployed broker, with MQTT.js. */
import tls from "node:tls";
import mqtt from "mqtt";
import type { BrokerOutputs } from "../../config/outputs.ts";

export interface ClientOptions {
    clientId?: string;
    /** False: the broker keeps the session while the client is disconnected. */
    clean?: boolean;
    user?: string;
    /** Do not connect yet. */
    manual?: boolean;
    /** Milliseconds from a lost connection to the next attempt. @default 0: none */
    reconnectPeriod?: number;
    /** QoS 2 messages that have arrived but are not complete. */
    incomingStore?: mqtt.Store;
}

export async function connect(
    outputs: BrokerOutputs,
    options: ClientOptions = {},
): Promise<mqtt.MqttClient> {
    const user = options.user ?? Object.keys(outputs.users)[0]!;
    const settings: mqtt.IClientOptions = {
        protocol: "mqtts",
        host: outputs.address,
        port: outputs.port,
        servername: outputs.hostname,
        ca: outputs.caCertificatePem,
        username: user,
        password: outputs.users[user]!,
        clean: options.clean ?? true,
        reconnectPeriod: options.reconnectPeriod ?? 0,
        ...(options.clientId !== undefined && { clientId: options.clientId }),
        ...(options.incomingStore && { incomingStore: options.incomingStore }),
    };
    return options.manual === true
        ? mqtt.connect({ ...settings, manualConnect: true })
        : mqtt.connectAsync(settings);
}

/** Collects messages until there are enough. Listens before it subscribes. */
export function collect(client: mqtt.MqttClient, count: number, ms = 10_000): Promise<string[]> {
    return new Promise((resolve, reject) => {
        const seen: string[] = [];
        const timer = setTimeout(
            () =>
                reject(
                    new Error(`${seen.length} of ${count} messages in ${ms} ms: ${seen.join()}`),
                ),
            ms,
        );
        client.on("message", (topic, payload) => {
            seen.push(`${topic} ${payload.toString()}`);
            if (seen.length < count) return;
            clearTimeout(timer);
            resolve(seen);
        });
    });
}

/** SHA-256 of the certificate that a new connection is served. */
export function servedCertificate(outputs: BrokerOutputs): Promise<string> {
    const { address: host, port, hostname: servername, caCertificatePem: ca } = outputs;
    return new Promise((resolve, reject) => {
        const socket = tls.connect({ host, port, servername, ca }, () => {
            resolve(socket.getPeerX509Certificate()!.fingerprint256);
            socket.destroy();
        });
        socket.on("error", reject);
    });
}
