import { randomUUID } from "node:crypto";
import type { MqttClient } from "mqtt";
import { TOPICS } from "./verifier.ts";

/** Result of sending a message to oneself. */
export type RoundTrip = { kind: "returned" } | { kind: "lost"; detail: string };

/**
 * Subscribes at QoS 1 to a topic that nobody else uses, publishes a random payload there at QoS 1
 * (not retained), and waits for it to come back.
 */
export async function roundTrip(client: MqttClient, timeoutMs: number): Promise<RoundTrip> {
    const topic = `${TOPICS.own}/${randomUUID()}`;
    const payload = randomUUID();
    let done = "SUBSCRIBE";
    let timer: NodeJS.Timeout | undefined;
    const seconds = `${timeoutMs / 1000} s`;
    const ended = new Promise<RoundTrip>((resolve) => {
        const lost = (detail: string) => resolve({ kind: "lost", detail });
        timer = setTimeout(() => {
            if (done === "PUBACK") lost(`PUBACK, but no message within ${seconds}`);
            else lost(`no answer to ${done} within ${seconds}`);
        }, timeoutMs);
        client.once("close", () => lost(`the connection closed after ${done}`));
        client.on("message", (from, received) => {
            if (from !== topic) return;
            if (received.toString() === payload) resolve({ kind: "returned" });
            else lost(`another payload (${received.length} bytes)`);
        });
    });
    const sent = (async (): Promise<RoundTrip> => {
        const [granted] = await client.subscribeAsync(topic, { qos: 1 });
        if (granted?.qos !== 1) {
            return {
                kind: "lost",
                detail: `the subscription was granted ${granted?.qos}, not QoS 1`,
            };
        }
        done = "PUBLISH";
        await client.publishAsync(topic, payload, { qos: 1, retain: false });
        done = "PUBACK";
        return ended;
    })().catch((error: Error): RoundTrip => ({
        kind: "lost",
        detail: `${done}: ${error.message}`,
    }));
    try {
        return await Promise.race([ended, sent]);
    } finally {
        clearTimeout(timer);
    }
}
