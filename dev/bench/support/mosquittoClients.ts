/** Generates load with mosquitto_pub and mosquitto_sub beside the broker. */
import { setTimeout as sleep } from "node:timers/promises";
import { limitCpu, sharePercent, usedBy, USER, type Side } from "./brokers.ts";

export interface Shape {
    name: string;
    qos: number;
    publishers: number;
    subscribers: number;
}

/**
 * Messages in flight to each subscriber: enough that the broker always has work, and fewer than the
 * 1000 beyond which both brokers drop messages.
 */
const UNDER_WAY = 900;
const BATCH = 90;
const WARM_UP_MS = 1000;
const MEASURED_MS = 6000;
/** Time without a delivery after which messages in flight count as dropped, and the load continues. */
const STALLED_MS = 3000;
const PADDING = "x".repeat(60);
const PACED = 400;
const PACE_MS = 5;

const client = (qos: number) =>
    `-h 127.0.0.1 -p 1883 -u ${USER.username} -P "${USER.password}" --cafile /ca.pem -q ${qos}`;

/**
 * Measures deliveries a second to all subscribers, with Fly's least share of a CPU for the broker. Also
 * reports the CPU time of a million deliveries, how much of its share the broker used, and the dropped
 * messages.
 */
export async function rateOf(side: Side, shape: Shape): Promise<Record<string, number>> {
    const { qos } = shape;
    await limitCpu(side.broker, "all");
    // A retained message, whose delivery shows that a subscription exists.
    await side.shell(`mosquitto_pub ${client(1)} -r -t ready -m ready`);
    const subscribers = Array.from({ length: shape.subscribers }, () =>
        linesOf(side.start(`mosquitto_sub ${client(qos)} -t load -t ready -F %p`)),
    );
    const publishers = Array.from({ length: shape.publishers }, () =>
        linesOf(side.start(`mosquitto_pub ${client(qos)} -t load -l`)),
    );
    try {
        // Lines so far: the PID, and for subscribers the retained message.
        const ready = () =>
            subscribers.every(({ lines }) => lines() >= 2) &&
            publishers.every(({ lines }) => lines() >= 1);
        for (let waited = 0; !ready(); waited += 20) {
            if (waited > 60_000) throw new Error("Mosquitto's clients do not start");
            await sleep(20);
        }
        await limitCpu(side.broker, "share");
        return await pump(side, publishers, subscribers);
    } finally {
        await limitCpu(side.broker, "all");
        for (const { child } of publishers) child.stdin.end();
        const pids = [...subscribers, ...publishers].map(({ pid }) => pid()).join(" ");
        await side.shell(`kill ${pids}; mosquitto_pub ${client(1)} -r -t ready -n`);
    }
}

/** Keeps that many messages in flight and counts them, first to warm up, then measured. */
async function pump(
    { broker }: Side,
    publishers: Lines[],
    subscribers: Lines[],
): Promise<Record<string, number>> {
    const batch = `${PADDING}\n`.repeat(BATCH);
    const received = () => subscribers.map(({ lines }) => lines() - 2);
    const total = () => received().reduce((sum, one) => sum + one, 0);
    let sent = 0;
    let dropped = 0;
    let next = 0;
    let seen = { count: 0, at: performance.now() };
    const feed = () => {
        const now = { count: total(), at: performance.now() };
        if (now.count !== seen.count) seen = now;
        else if (now.at - seen.at > STALLED_MS) {
            dropped = sent * subscribers.length - now.count;
            seen = now;
        }
        const slowest = Math.min(...received()) + dropped / subscribers.length;
        while (sent - slowest + BATCH <= UNDER_WAY) {
            publishers[next++ % publishers.length]!.child.stdin.write(batch);
            sent += BATCH;
        }
    };
    const timer = setInterval(feed, 2);
    const look = async () => ({
        count: total(),
        at: performance.now(),
        ...(await usedBy(broker)),
    });
    try {
        await sleep(WARM_UP_MS);
        const from = await look();
        await sleep(MEASURED_MS);
        const to = await look();
        const seconds = (to.at - from.at) / 1000;
        const cpu = to.cpu - from.cpu;
        const count = to.count - from.count;
        return {
            "": count / seconds,
            "broker's CPU, s per million": (cpu / count) * 1e6,
            "% of its share used": sharePercent(cpu, seconds),
            "% dropped": (dropped / (sent * subscribers.length)) * 100,
        };
    } finally {
        clearInterval(timer);
    }
}

interface Lines {
    child: ReturnType<Side["start"]>;
    /** Number of lines written, including the PID. */
    lines: () => number;
    pid: () => number;
}

function linesOf(child: ReturnType<Side["start"]>): Lines {
    let count = 0;
    let head = "";
    child.stdout.on("data", (chunk: Buffer) => {
        if (!head.includes("\n")) head += chunk.toString();
        for (const byte of chunk) if (byte === 10) count++;
    });
    child.stderr.resume();
    child.stdin.on("error", () => undefined);
    return { child, lines: () => count, pid: () => Number(head.split("\n")[0]) };
}

/** Measures milliseconds from a line of the publisher's input to its delivery, with paced messages. */
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
