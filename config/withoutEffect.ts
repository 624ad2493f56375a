/** What is set and does not do what it seems to, because of another setting. It is told, not refused. */
import type { z } from "zod";
import { endsInBroker } from "./access.ts";
import { isOf20, isOfficial } from "./baseImage.ts";
import type { schema } from "./schema.ts";

type Data = z.output<typeof schema>;

/**
 * @param set the settings' names that the stack's file has: of defaults nothing is said
 * @returns one line a setting
 */
export function withoutEffect(data: Data, set: ReadonlySet<string>): string[] {
    const warnings: string[] = [];
    if (set.has("volumeSnapshot") && data.volumeReplacement === "restore") {
        warnings.push(
            "volumeSnapshot: is for the first volume only, since volumeReplacement is restore: a move to " +
                "another region takes a snapshot of its own; to move with this one, set discard",
        );
    }
    for (const key of ["certificateValidDays", "certificateRenewDays"] as const) {
        if (!set.has(key) || endsInBroker(data)) continue;
        warnings.push(
            `${key}: is for the broker's own certificate, which no client sees while Fly's edge ends all ` +
                `TLS (tls: edge); it is ${data[key]}`,
        );
    }
    if (set.has("memoryLimitMb") && isOfficial(data.baseImage) && isOf20(data.baseImage)) {
        warnings.push(
            `memoryLimitMb: is not kept to by the official image of Mosquitto 2.0 (baseImage is ` +
                `${data.baseImage}); only \`up\` counts with it, for memory and volume; it is ${data.memoryLimitMb}`,
        );
    }
    return warnings;
}
