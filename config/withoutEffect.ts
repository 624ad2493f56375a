/** Warns about settings that another one makes ineffective. */
import { endsInBroker } from "./access.ts";
import { isMosquitto20, isOfficialImage } from "./baseImage.ts";
import type { Values } from "./schema.ts";

/**
 * @param set names of the settings in the stack's file: defaults cause no warning
 * @returns one line per setting
 */
export function withoutEffect(data: Values, set: ReadonlySet<string>): string[] {
    const warnings: string[] = [];
    if (set.has("volumeSnapshot") && data.volumeReplacement === "restore") {
        warnings.push(
            "volumeSnapshot: applies only to the first volume, since volumeReplacement is restore: a move to " +
                "another region restores a new snapshot; to restore this one instead, set discard",
        );
    }
    for (const key of ["certificateValidDays", "certificateRenewDays"] as const) {
        if (!set.has(key) || endsInBroker(data)) continue;
        warnings.push(
            `${key}: applies to the broker's own certificate, which no client sees while Fly's edge ends all ` +
                `TLS (tls: edge); it is ${data[key]}`,
        );
    }
    if (
        set.has("memoryLimitMb") &&
        isOfficialImage(data.baseImage) &&
        isMosquitto20(data.baseImage)
    ) {
        warnings.push(
            `memoryLimitMb: the official image of Mosquitto 2.0 does not enforce it (baseImage is ` +
                `${data.baseImage}); only \`up\` uses it, to size memory and volume; it is ${data.memoryLimitMb}`,
        );
    }
    return warnings;
}
