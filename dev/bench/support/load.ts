/** Clients that go on through whatever happens to the broker, and what they saw of it. */
import { setTimeout as sleep } from "node:timers/promises";
import { connect } from "../../../test/support/mqtt.ts";
import type { BrokerOutputs } from "../../../config/outputs.ts";

/** Ten messages a second. */
const PUBLISH_EVERY_MS = 100;
const RECONNECT_AFTER_MS = 100;
/** Before and after what is measured. */
const UNDISTURBED_MS = 1500;
/** For what is still under way when the last message has been published. */
const DRAIN_MS = 30_000;
/** For duplicates after the last message. */
const LATE_MS = 300;

export interface Seen {
    published: number;
    /** Published, but never delivered; or never acknowledged. */
    lost: number;
    /** Delivered again. */
    duplicated: number;
    /** Delivered for the first time after a message that was published later. */
    reordered: number;
    /** Connections that the two clients lost. */
    dropped: number;
    /** Seconds between two acknowledgements of the broker: the longest time, and the next. */
    gap: number;
    nextGap: number;
    /** Seconds between two deliveries: the longest time. */
    deliveryGap: number;
    /** When the longest gap between acknowledgements was, in milliseconds since 1970. */
    from: number;
    to: number;
}

/**
 * A publisher of QoS 1, which keeps what is not acknowledged and sends it again, and a subscriber
 * with a session that the broker keeps; both connect again when they lose the broker.
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

/** The longest first. */
function gapsOf(moments: number[]): { seconds: number; from: number; to: number }[] {
    return moments
        .slice(1)
        .map((to, index) => ({ seconds: (to - moments[index]!) / 1000, from: moments[index]!, to }))
        .sort((a, b) => b.seconds - a.seconds);
}
