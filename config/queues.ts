/** What lower limits do to messages that wait for a client. */
import type { Limits } from "../broker/limits.ts";
import { isOf20 } from "./baseImage.ts";
import type { Settings } from "./settings.ts";

export type QueueLimits = Pick<Limits, "queuedMessages" | "queuedBytes">;

/** The configuration of the series that minds; the machine has both, with the same limits. */
const CONF = /\/mosquitto-2\.1\.conf$/;

/** A machine's configuration as far as it is read here. */
interface GivenFiles {
    files?: { guest_path: string; raw_value?: string }[];
}

/** @returns the limits that a deployed machine has; undefined where its files do not tell */
export function queueLimitsIn({ files = [] }: GivenFiles): QueueLimits | undefined {
    const file = files.find(({ guest_path }) => CONF.test(guest_path));
    const conf = Buffer.from(file?.raw_value ?? "", "base64").toString();
    const limit = (option: string) => Number(new RegExp(`^${option} (\\d+)$`, "m").exec(conf)?.[1]);
    const limits = {
        queuedMessages: limit("max_queued_messages"),
        queuedBytes: limit("max_queued_bytes"),
    };
    return Object.values(limits).some(Number.isNaN) ? undefined : limits;
}

/**
 * A line for each limit that is lowered. Mosquitto 2.1 reads its database as if every message came
 * again, so it drops what waits beyond the new limits, for good; 2.0 reads its own whole, and 2.1 does with
 * 2.0's (tried with 2.1.2 and 2.0.22).
 */
export function queueWarnings(
    { queues }: { readonly queues: QueueLimits | undefined },
    { broker, baseImage }: Settings,
): string[] {
    if (queues === undefined || isOf20(baseImage)) return [];
    const named = [
        ["maxQueuedMessages", "queuedMessages", ""],
        ["maxQueuedBytes", "queuedBytes", " (unless it is set, 1/32 of memoryMb)"],
    ] as const;
    return named
        .filter(([, limit]) => broker.limits[limit] < queues[limit])
        .map(
            ([key, limit, rule]) =>
                `${key}: is ${broker.limits[limit]}${rule} and was ${queues[limit]}: at the restart for it ` +
                "Mosquitto 2.1 drops what waits for a client beyond that, the newest messages first; let the " +
                "clients fetch theirs before, or keep the limit",
        );
}
