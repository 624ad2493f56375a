/**
 * `npm run bench -- load`: what the broker's settings cost and bring, beside the stock image with the
 * guide's configuration. The load comes from Mosquitto's clients, in a container that shares the broker's
 * network, and from OpenSSL's `s_time`.
 */
import { loadSides, type Side } from "./support/brokers.ts";
import { latencyOf, rateOf, type Shape } from "./support/mosquittoClients.ts";
import { connectionsPerSecond, memoryPerConnection } from "./support/connections.ts";
import { figuresOf } from "./support/measure.ts";
import { printTable } from "./support/table.ts";

const RUNS = Number(process.env.RUNS ?? 5);
const SHAPES: Shape[] = [0, 1].flatMap((qos) => [
    { name: `1:1, QoS ${qos}`, qos, publishers: 1, subscribers: 1 },
    { name: `fan-in 10:1, QoS ${qos}`, qos, publishers: 10, subscribers: 1 },
    { name: `fan-out 1:10, QoS ${qos}`, qos, publishers: 1, subscribers: 10 },
]);
/** Where more is better, the ratio is at least this; where less is, there is no bound. */
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
    { name: "memory per connection", of: memoryPerConnection },
];

const sides = await loadSides();
try {
    const rows: string[][] = [["", "ours", "guide's", "ratio", "bound"]];
    for (const { name, of, bound } of MEASURES) {
        const seen: Record<"ours" | "guide", Record<string, number[]>> = { ours: {}, guide: {} };
        for (let run = 0; run < RUNS; run++) {
            // Each goes first every other time.
            const order =
                run % 2 === 0 ? (["ours", "guide"] as const) : (["guide", "ours"] as const);
            for (const which of order) {
                for (const [what, value] of Object.entries(await of(sides[which]))) {
                    (seen[which][what] ??= []).push(value);
                }
            }
        }
        Object.keys(seen.ours).forEach((what, at) => {
            const [ours, guide] = [figuresOf(seen.ours[what]!), figuresOf(seen.guide[what]!)];
            const show = (one: typeof ours) =>
                `${digits(one.median)} (${digits(one.min)} to ${digits(one.max)})`;
            const ratio = (ours.median / guide.median).toFixed(2);
            const least = bound !== undefined && at === 0 ? `at least ${bound}` : "";
            rows.push([`${name}${what && `: ${what}`}`, show(ours), show(guide), ratio, least]);
        });
        console.error(rows.at(-1)!.join("  "));
    }
    printTable(rows);
    console.log(`${RUNS} rounds each, alternating, medians (least to most)`);
} finally {
    await sides.remove();
}

function digits(value: number): string {
    return value >= 100 ? value.toFixed(0) : value.toPrecision(3);
}
