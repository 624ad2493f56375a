/** What a broker must not lose, and how to look for it afterwards. */
import assert from "node:assert/strict";
import mqtt from "mqtt";
import { collect, connect, type ClientOptions } from "../../dev/harness/mqtt.ts";
import type { BrokerOutputs } from "../../config/outputs.ts";

/**
 * Leaves a retained message, what waits for an absent session, and a QoS 2 message that another has
 * taken but not done with; says how to look for them.
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
        // Still there as it was subscribed; and whatever comes twice, comes before this.
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

/** PUBLISH and PUBREC have gone, and the connection breaks before PUBCOMP. */
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

/** What waits may come with the connection, so the listener is there before it. */
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
