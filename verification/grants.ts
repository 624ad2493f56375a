import { randomUUID } from "node:crypto";
import type { MqttClient } from "mqtt";
import { TOPICS } from "./verifier.ts";

/** Result of trying topics that are not granted. */
export type GrantsProof = { kind: "kept" } | { kind: "broken"; detail: string };

/** Topic where the broker keeps its version, retained since its start, for users who may read it. */
const SYS = "$SYS/broker/version";

/**
 * Subscribes to topics that must not be read, and publishes to those and to topics that must not be
 * written. MQTT 3.1.1 has brokers acknowledge a publish, so the check is that nothing was delivered by the
 * time the message published last comes back; the broker keeps their order. A shared subscription must be
 * refused: it would take messages from those who may read them.
 */
export async function tryForbiddenTopics(
    client: MqttClient,
    timeoutMs: number,
): Promise<GrantsProof> {
    const id = randomUUID();
    const last = `${TOPICS.own}/${id}`;
    const readOnly = `${TOPICS.readOnly}/${id}`;
    const forbidden = [`${TOPICS.writeOnly}/${id}`, `${TOPICS.notGranted}/${id}`, SYS];
    const seen = new Set<string>();
    const isGranted = (filter: string) =>
        client.subscribeAsync(filter, { qos: 1 }).then(
            () => true,
            () => false,
        );
    let step = "SUBSCRIBE";
    let timer: NodeJS.Timeout | undefined;
    const ended = new Promise<string | undefined>((resolve) => {
        const seconds = `${timeoutMs / 1000} s`;
        timer = setTimeout(() => resolve(`no end after ${step} within ${seconds}`), timeoutMs);
        client.once("close", () => resolve(`the connection closed after ${step}`));
        client.on("message", (topic) => {
            if (topic === last) resolve(undefined);
            else seen.add(`a message on ${topic}`);
        });
    });
    const sent = (async () => {
        // Forbidden topics first. The broker may also refuse the subscription, which is as good.
        for (const topic of forbidden) {
            await isGranted(topic);
            if (await isGranted(`$share/${id}/${topic}`)) {
                seen.add(`a shared subscription to ${topic}`);
            }
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
    return { kind: "broken", detail: [...seen].join(", ") };
}
