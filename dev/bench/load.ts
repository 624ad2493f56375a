/**
 * Compares the broker's throughput, latency and memory with those of the old setup (see README.md):
 * `npm run bench -- load`. The old setup also runs in our series of Mosquitto, which separates
 * Mosquitto's part from that of our settings. The load comes from Mosquitto's clients in a container
 * that shares the broker's network, and from OpenSSL's `s_time`.
 */
import { loadSides, type Side, type SideName } from "./support/brokers.ts";
import { latencyOf, rateOf, type Shape } from "./support/mosquittoClients.ts";
import { connectionsPerSecond, memoryPerConnection } from "./support/connections.ts";
import { figuresOf, type Figures } from "./support/measure.ts";
import { printTable } from "./support/table.ts";

const RUNS = Number(process.env.RUNS ?? 5);
const SHAPES: Shape[] = [0, 1].flatMap((qos) => [
    { name: `1:1, QoS ${qos}`, qos, publishers: 1, subscribers: 1 },
    { name: `fan-in 10:1, QoS ${qos}`, qos, publishers: 10, subscribers: 1 },
    { name: `fan-out 1:10, QoS ${qos}`, qos, publishers: 1, subscribers: 10 },
]);
/** Least ratio of measures where more is better. The others have no bound. */
const BOUNDS = { messages: 0.95, connections: 1.5 };

interface Measure {
    name: string;
    of: (side: Side) => Promise<Record<string, number>>;
    bound?: number;
}

const MEASURES: Measure[] = [
    ...SHAPES.map((shape) => ({
        name: `messages/s, ${shape.name}`,
        of: (side: Side) => rateOf(side, shape),
        bound: BOUNDS.messages,
    })),
    { name: "TLS connections/s", of: connectionsPerSecond, bound: BOUNDS.connections },
    ...[0, 1].map((qos) => ({
        name: `latency, QoS ${qos}`,
        of: (side: Side) => latencyOf(side, qos),
    })),
    // Last, since it restarts the brokers, which would leave their clients without a network.
    { name: "memory per connection", of: memoryPerConnection },
];

const ALL: SideName[] = ["ours", "oldSetup", "oldSetupIn21"];
const HEADING = ["", "ours", "old setup", "ratio", "bound", "old setup in 2.1", "ratio"];

const sides = await loadSides();
try {
    const rows: string[][] = [HEADING];
    let missed = 0;
    for (const { name, of, bound } of MEASURES) {
        const seen = Object.fromEntries(ALL.map((side) => [side, {}])) as Record<
            SideName,
            Record<string, number[]>
        >;
        for (let run = 0; run < RUNS; run++) {
            // Each side goes first in turn.
            const order = ALL.map((_, at) => ALL[(at + run) % ALL.length]!);
            for (const which of order) {
                for (const [what, value] of Object.entries(await of(sides[which]))) {
                    (seen[which][what] ??= []).push(value);
                }
            }
        }
        Object.keys(seen.ours).forEach((what, at) => {
            const [ours, oldSetup, newer] = ALL.map((side) => figuresOf(seen[side][what]!));
            const ratio = (other: Figures) =>
                other.median === 0 ? "" : (ours!.median / other.median).toFixed(2);
            const least = at === 0 ? bound : undefined;
            const met = least === undefined || ours!.median / oldSetup!.median >= least;
            if (!met) missed++;
            rows.push([
                `${name}${what && `: ${what}`}`,
                show(ours!),
                show(oldSetup!),
                ratio(oldSetup!),
                least === undefined ? "" : `at least ${least}: ${met ? "met" : "MISSED"}`,
                show(newer!),
                ratio(newer!),
            ]);
            console.error(rows.at(-1)!.join("  "));
        });
    }
    printTable(rows);
    console.log(`${RUNS} rounds each, alternating, medians (least to most)`);
    console.log(missed === 0 ? "all bounds met" : `${missed} bounds MISSED`);
    if (missed > 0) process.exitCode = 1;
} finally {
    await sides.remove();
}

function show({ median, min, max }: Figures): string {
    return `${digits(median)} (${digits(min)} to ${digits(max)})`;
}

function digits(value: number): string {
    return value >= 100 ? value.toFixed(0) : value.toPrecision(3);
}
