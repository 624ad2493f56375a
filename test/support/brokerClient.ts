import mqtt from "mqtt";
import type { IClientOptions, MqttClient } from "mqtt";
import type { Authority } from "../../dev/harness/certificates.ts";
import type { BrokerContainer } from "../../dev/harness/brokerContainer.ts";

/** Starts a client of a broker container. The certificate is for `servername`. */
export async function openTo(
    broker: BrokerContainer,
    authority: Authority,
    options: IClientOptions & { servername: string },
): Promise<MqttClient> {
    return mqtt.connect({
        protocol: "mqtts",
        host: "127.0.0.1",
        port: await broker.port(),
        ca: authority.pem,
        reconnectPeriod: 0,
        ...options,
    });
}

/** Returns a client that has logged in. */
export async function logInTo(...to: Parameters<typeof openTo>): Promise<MqttClient> {
    const client = await openTo(...to);
    await new Promise<void>((resolve, reject) => {
        client.once("connect", () => resolve()).once("error", reject);
        client.once("close", () => reject(new Error("the connection was closed")));
    });
    return client;
}

/** Payloads by topic, of the next `count` messages. */
export function collect(client: MqttClient, count: number): Promise<Map<string, string>> {
    const received = new Map<string, string>();
    return new Promise((resolve, reject) => {
        const timer = setTimeout(
            () => reject(new Error(`${received.size} of ${count} messages came within 5 s`)),
            5000,
        );
        client.on("message", (topic, payload) => {
            received.set(topic, payload.toString());
            if (received.size < count) return;
            clearTimeout(timer);
            resolve(received);
        });
    });
}

/** Payloads by topic of everything retained below a topic: whatever arrives before a message sent last. */
export async function retained(
    broker: BrokerContainer,
    authority: Authority,
    options: IClientOptions & { servername: string },
    below: string,
): Promise<Map<string, string>> {
    const client = await logInTo(broker, authority, options);
    const received = new Map<string, string>();
    const last = `${below}/last-of-all`;
    const came = new Promise<void>((resolve, reject) => {
        client.on("message", (topic, payload) => {
            if (topic === last) resolve();
            else received.set(topic, payload.toString());
        });
        client.on("close", () => reject(new Error(`cut off after ${received.size} messages`)));
    });
    came.catch(() => undefined);
    await client.subscribeAsync(`${below}/#`, { qos: 0 });
    await client.publishAsync(last, "", { qos: 0 });
    await came;
    await client.endAsync();
    return received;
}

/** Waits until the connection has ended. */
export function closed(client: MqttClient): Promise<void> {
    return new Promise((resolve) => client.once("close", () => resolve()));
}
