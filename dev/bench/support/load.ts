/** Runs clients through a change of the broker and records what they saw. */
import { setTimeout as sleep } from "node:timers/promises";
import { connect } from "../../harness/mqtt.ts";
import type { BrokerOutputs } from "../../../config/outputs.ts";

/** Ten messages a second. */
const PUBLISH_EVERY_MS = 100;
const RECONNECT_AFTER_MS = 100;
/** Time of normal operation before and after the change. */
const UNDISTURBED_MS = 1500;
/** Time limit for messages still in flight after the last publish. */
const DRAIN_MS = 30_000;
/** Time to wait for duplicates after the last message. */
const LATE_MS = 300;

export interface Seen {
    published: number;
    /** Messages never delivered or never acknowledged. */
    lost: number;
    /** Messages delivered again. */
    duplicated: number;
    /** Messages first delivered after one that was published later. */
    reordered: number;
    /** Connections that the two clients lost. */
    dropped: number;
    /** Longest and second longest time between two acknowledgements, in seconds. */
    gap: number;
    nextGap: number;
    /** Longest time between two deliveries, in seconds. */
    deliveryGap: number;
    /** Time of the longest gap between acknowledgements, in milliseconds since 1970. */
    from: number;
    to: number;
}

/**
 * Runs a QoS 1 publisher, which resends unacknowledged messages, and a subscriber with a persistent
 * session. Both reconnect when they lose the broker.
 */
export async function underLoad(broker: BrokerOutputs, what: () => Promise<void>): Promise<Seen> {
    const name = `bench-${Date.now()}`;
    const options = { clean: false, reconnectPeriod: RECONNECT_AFTER_MS };
    const subscriber = await connect(broker, { ...options, clientId: `${name}-subscriber` });
    const publisher = await connect(broker, { ...options, clientId: `${name}-publisher` });
    let dropped = 0;
    for (const client of [subscriber, publisher]) {
        client.on("error", () => undefined);
        client.on("close", () => dropped++);
    }
    const deliveries: { at: number; message: number }[] = [];
    subscriber.on("message", (_topic, payload) =>
        deliveries.push({ at: Date.now(), message: Number(payload.toString()) }),
    );
    await subscriber.subscribeAsync(name, { qos: 1 });

    let published = 0;
    const acknowledged: number[] = [];
    const timer = setInterval(() => {
        publisher.publish(name, String(published++), { qos: 1 }, (error) => {
            if (!error) acknowledged.push(Date.now());
        });
    }, PUBLISH_EVERY_MS);
    try {
        await sleep(UNDISTURBED_MS);
        await what();
        await sleep(UNDISTURBED_MS);
    } finally {
        clearInterval(timer);
    }
    const done = () =>
        acknowledged.length === published &&
        new Set(deliveries.map(({ message }) => message)).size === published;
    const deadline = Date.now() + DRAIN_MS;
    while (!done() && Date.now() < deadline) await sleep(20);
    await sleep(LATE_MS);
    const lostConnections = dropped;
    if (subscriber.connected) await subscriber.unsubscribeAsync(name);
    await Promise.all([subscriber, publisher].map((client) => client.endAsync(true)));

    const [longest, next] = gapsOf(acknowledged);
    const first = new Set<number>();
    let reordered = 0;
    let highest = -1;
    for (const { message } of deliveries) {
        if (first.has(message)) continue;
        first.add(message);
        if (message < highest) reordered++;
        highest = Math.max(highest, message);
    }
    return {
        published,
        lost: published - Math.min(first.size, acknowledged.length),
        duplicated: deliveries.length - first.size,
        reordered,
        dropped: lostConnections,
        gap: longest!.seconds,
        nextGap: next!.seconds,
        deliveryGap: gapsOf(deliveries.map(({ at }) => at))[0]!.seconds,
        from: longest!.from,
        to: longest!.to,
    };
}

/** Lists the gaps between moments, longest first. */
function gapsOf(moments: number[]): { seconds: number; from: number; to: number }[] {
    return moments
        .slice(1)
        .map((to, index) => ({ seconds: (to - moments[index]!) / 1000, from: moments[index]!, to }))
        .sort((a, b) => b.seconds - a.seconds);
}
