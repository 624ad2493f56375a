/** Messages that a broker must not lose, and how to check them afterwards. */
import assert from "node:assert/strict";
import mqtt from "mqtt";
import { collect, connect, type ClientOptions } from "../../dev/harness/mqtt.ts";
import type { BrokerOutputs } from "../../config/outputs.ts";

/**
 * Leaves a retained message, messages queued for a disconnected session, and a QoS 2 message whose delivery is
 * unfinished; returns how to check them.
 */
export async function leaveMessages(
    outputs: BrokerOutputs,
    name: string,
): Promise<() => Promise<void>> {
    const absent = await connect(outputs, { clientId: name, clean: false });
    await absent.subscribeAsync(`${name}/queued/#`, { qos: 2 });
    await absent.endAsync();
    const halfWay = await leaveHalfWay(outputs, name);
    const client = await connect(outputs);
    await client.publishAsync(`${name}/retained`, "kept", { qos: 1, retain: true });
    const sent = [1, 2, 3, 4].flatMap((i) => [`1 ${i}`, `2 ${i}`]);
    for (const text of sent) {
        const qos = text.startsWith("1") ? 1 : 2;
        await client.publishAsync(`${name}/queued/${qos}`, text, { qos });
    }
    await client.endAsync();
    return async () => {
        const back = await reconnect(outputs, { clientId: name }, sent.length);
        assert.deepEqual(
            topicByTopic(await back.messages),
            topicByTopic(sent.map((text) => `${name}/queued/${text[0]} ${text}`)),
        );
        // The session is still subscribed; and any duplicate arrives before this message.
        const next = collect(back.client, 1);
        await back.client.publishAsync(`${name}/queued/2`, "new", { qos: 2 });
        assert.deepEqual(await next, [`${name}/queued/2 new`]);
        const retained = collect(back.client, 1);
        await back.client.subscribeAsync(`${name}/retained`, { qos: 1 });
        assert.deepEqual(await retained, [`${name}/retained kept`]);
        await back.client.endAsync();
        await halfWay();
    };
}

/** PUBLISH and PUBREC have been sent, and the connection breaks before PUBCOMP. */
async function leaveHalfWay(outputs: BrokerOutputs, name: string): Promise<() => Promise<void>> {
    const incomingStore = new mqtt.Store({ clean: false });
    const clientId = `${name}-half`;
    const client = await connect(outputs, { clientId, clean: false, incomingStore });
    await client.subscribeAsync(`${name}/half`, { qos: 2 });
    const released = new Promise<void>((resolve) => {
        client.handleMessage = () => resolve();
    });
    await client.publishAsync(`${name}/half`, "once", { qos: 2 });
    await released;
    await client.endAsync(true);
    return async () => {
        const back = await reconnect(outputs, { clientId, incomingStore }, 2);
        back.client.once("connect", () => {
            back.client.publish(`${name}/half`, "next", { qos: 2 });
        });
        assert.deepEqual(await back.messages, [`${name}/half once`, `${name}/half next`]);
        await back.client.endAsync();
    };
}

/** Queued messages may arrive with the connection, so the listener is added before it. */
async function reconnect(outputs: BrokerOutputs, options: ClientOptions, count: number) {
    const client = await connect(outputs, { ...options, clean: false, manual: true });
    const messages = collect(client, count);
    client.on("error", () => undefined);
    client.connect();
    return { client, messages };
}

/** MQTT keeps the order of a topic's messages of one QoS. */
function topicByTopic(messages: string[]): string[] {
    const topic = (message: string) => message.split(" ")[0]!;
    return messages.toSorted((a, b) => topic(a).localeCompare(topic(b)));
}
