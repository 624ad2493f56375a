import { randomUUID } from "node:crypto";
import type { MqttClient } from "mqtt";
import { TOPICS } from "./verifier.ts";

/** What came of trying what is not granted. */
export type GrantsProof = { kind: "kept" } | { kind: "broken"; detail: string };

/** The broker keeps its version there for whoever is granted it, as of the start. */
const SYS = "$SYS/broker/version";

/**
 * Subscribes to what may not be read, and publishes to it and to what may not be written. MQTT 3.1.1
 * has brokers acknowledge both, so what counts is what is delivered: nothing, by the time that a
 * message that was published last has come back, since the broker keeps their order.
 */
export async function triesTheRest(client: MqttClient, timeoutMs: number): Promise<GrantsProof> {
    const id = randomUUID();
    const last = `${TOPICS.own}/${id}`;
    const readOnly = `${TOPICS.readOnly}/${id}`;
    const forbidden = [`${TOPICS.writeOnly}/${id}`, `${TOPICS.notGranted}/${id}`, SYS];
    const seen = new Set<string>();
    let step = "SUBSCRIBE";
    let timer: NodeJS.Timeout | undefined;
    const ended = new Promise<string | undefined>((resolve) => {
        const seconds = `${timeoutMs / 1000} s`;
        timer = setTimeout(() => resolve(`no end after ${step} within ${seconds}`), timeoutMs);
        client.once("close", () => resolve(`the connection closed after ${step}`));
        client.on("message", (topic) => {
            if (topic === last) resolve(undefined);
            else seen.add(topic);
        });
    });
    const sent = (async () => {
        // First what may not be read: a broker may refuse it, which is as good.
        for (const topic of forbidden) {
            await client.subscribeAsync(topic, { qos: 1 }).catch(() => undefined);
        }
        await client.subscribeAsync([readOnly, last], { qos: 1 });
        step = "PUBLISH";
        for (const topic of [readOnly, ...forbidden.slice(0, 2), last]) {
            await client.publishAsync(topic, id, { qos: 1, retain: false });
        }
        return ended;
    })().catch((error: Error) => `${step}: ${error.message}`);
    try {
        const failure = await Promise.race([ended, sent]);
        if (failure !== undefined) return { kind: "broken", detail: failure };
    } finally {
        clearTimeout(timer);
    }
    if (seen.size === 0) return { kind: "kept" };
    const detail = [...seen].map((topic) => `a message on ${topic}`).join(", ");
    return { kind: "broken", detail };
}
