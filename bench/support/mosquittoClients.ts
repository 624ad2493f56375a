/** Load by mosquitto_pub and mosquitto_sub, beside the broker. */
import { setTimeout as sleep } from "node:timers/promises";
import { limitCpu, usedBy, USER, type Side } from "./brokers.ts";

export interface Shape {
    name: string;
    qos: number;
    publishers: number;
    subscribers: number;
}

/**
 * Messages that come at once, of all publishers. What a subscriber's queue does not hold is dropped: with
 * QoS 1 that is beyond 1000, in both brokers.
 */
const BURST = { 0: 5000, 1: 900 };
const BURSTS = { 0: 4, 1: 10 };
const PADDING = "x".repeat(60);
const PACED = 400;
const PACE_MS = 5;

const client = (qos: number) =>
    `-h 127.0.0.1 -p 1883 -u ${USER.username} -P "${USER.password}" --cafile /ca.pem -q ${qos}`;

/**
 * Deliveries a second of all subscribers, between the first and the last of each burst, with a
 * sixteenth of a CPU for the broker; and what of its CPU a million of them take.
 */
export async function rateOf(side: Side, shape: Shape): Promise<Record<string, number>> {
    const { publishers, subscribers } = shape;
    const qos = shape.qos as 0 | 1;
    // Each of them is delivered to every subscriber.
    const each = Math.round(BURST[qos] / publishers / (subscribers > 1 ? 4 : 1));
    const expected = each * publishers;
    await limitCpu(side.broker, "share");
    const before = await usedBy(side.broker);
    const out = await side.shell(`
        rm -rf /tmp/load; mkdir /tmp/load; cd /tmp/load
        for s in $(seq ${subscribers}); do
            mosquitto_sub ${client(qos)} -t load -t ready -F '%U %p' > out.$s & started="$started $!"
        done
        # A retained message tells that the subscriptions are there.
        mosquitto_pub ${client(1)} -r -t ready -m 0
        for s in $(seq ${subscribers}); do until [ -s out.$s ]; do sleep 0.05; done; done
        for p in $(seq ${publishers}); do
            mkfifo in.$p
            mosquitto_pub ${client(qos)} -t load -l < in.$p & started="$started $!"
            sleep 600 > in.$p & started="$started $!"
        done
        sleep 1
        for burst in $(seq ${BURSTS[qos]}); do
            yes "$burst ${PADDING}" | head -n ${each} > burst
            for p in $(seq ${publishers}); do cat burst > in.$p & done
            tries=0; seen=
            until [ $tries = 20 ]; do
                now=$(cat out.* | grep -c " $burst x")
                [ $now -ge ${expected * subscribers} ] && break
                [ "$now" = "$seen" ] && tries=$((tries + 1)) || tries=0
                seen=$now; sleep 0.1
            done
        done
        mosquitto_pub ${client(1)} -r -t ready -n
        kill $started; wait $started 2>/dev/null
        for s in $(seq ${subscribers}); do cat out.$s | awk '
            $2 > 0 && $2 != burst { if (burst) seconds += last - first; burst = $2; first = $1; skipped++ }
            $2 > 0 { count++; last = $1 }
            END { print count, skipped, seconds + last - first }'
        done`);
    const after = await usedBy(side.broker);
    let rate = 0;
    let delivered = 0;
    for (const line of out.trim().split("\n")) {
        const [count, skipped, seconds] = line.split(" ").map(Number);
        delivered += count!;
        rate += (count! - skipped!) / seconds!;
    }
    return {
        "": rate,
        "broker's CPU, s per million": ((after.cpu - before.cpu) / delivered) * 1e6,
        "delivered, %": (delivered / (expected * BURSTS[qos] * subscribers)) * 100,
    };
}

/** Milliseconds from a line of the publisher's input to delivery, of messages that are paced. */
export async function latencyOf(side: Side, qos: number): Promise<Record<string, number>> {
    await limitCpu(side.broker, "all");
    const out = await side.shell(
        `mosquitto_sub ${client(qos)} -t paced -C ${PACED} -W 60 -F '%U %p' & subscriber=$!
        sleep 1; mosquitto_pub ${client(qos)} -t paced -l; wait $subscriber`,
        async (write) => {
            await sleep(2000);
            for (let n = 0; n < PACED; n++) {
                write(`${((performance.timeOrigin + performance.now()) / 1000).toFixed(6)}\n`);
                await sleep(PACE_MS);
            }
        },
    );
    const times = out
        .trim()
        .split("\n")
        .map((line) => line.split(" ").map(Number))
        .map(([received, sent]) => (received! - sent!) * 1000)
        .toSorted((a, b) => a - b);
    const at = (share: number) => times[Math.floor(times.length * share)]!;
    return { "p50, ms": at(0.5), "p99, ms": at(0.99) };
}
