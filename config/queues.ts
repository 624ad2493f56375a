/** Warnings about queued messages that lower limits would drop. */
import type { Limits } from "../broker/limits.ts";
import { isMosquitto20 } from "./baseImage.ts";
import type { Settings } from "./settings.ts";

export type QueueLimits = Pick<Limits, "queuedMessages" | "queuedBytes">;

/** Configuration for Mosquitto 2.1, the series that drops messages. The machine has one for 2.0 too, with equal limits. */
const CONF = /\/mosquitto-2\.1\.conf$/;

/** Part of a machine's configuration that is read here. */
interface FilesConfig {
    files?: { guest_path: string; raw_value?: string }[];
}

/** @returns the limits of a deployed machine; undefined where its files do not have them */
export function queueLimitsIn({ files = [] }: FilesConfig): QueueLimits | undefined {
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
 * Warns about each lowered limit, one line each. Mosquitto 2.1 loads its database as if every message
 * arrived anew, so it drops for good what exceeds the new limits. 2.0 loads its own database whole, and so
 * does 2.1 with a database of 2.0 (tried with 2.1.2 and 2.0.22).
 */
export function queueWarnings(
    { queues }: { readonly queues: QueueLimits | undefined },
    { broker, baseImage }: Settings,
): string[] {
    if (queues === undefined || isMosquitto20(baseImage)) return [];
    const named = [
        ["maxQueuedMessages", "queuedMessages", ""],
        ["maxQueuedBytes", "queuedBytes", " (default: 1/32 of memoryMb)"],
    ] as const;
    return named
        .filter(([, limit]) => broker.limits[limit] < queues[limit])
        .map(
            ([key, limit, rule]) =>
                `${key}: is ${broker.limits[limit]}${rule} and was ${queues[limit]}: at the restart for this change ` +
                "Mosquitto 2.1 drops queued messages beyond the limit, the newest first; let the " +
                "clients fetch theirs before, or keep the limit",
        );
}
