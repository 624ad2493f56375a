/**
 * Warnings of the broker's data: files that its last start has put aside since they could not be read, more than
 * `memoryLimitMb` holds (broker-data in the image), a volume that is nearly full (broker-space). No client sees
 * that, so the machine is asked, through the Machines API.
 */
import type { FlyClient } from "../providers/fly/api/client.ts";

const DATA = "/mosquitto/data";

/** A file's name before, and when it was put aside; its log and index go with it and are not named. */
const PUT_ASIDE =
    /^(mosquitto\.(?:sqlite3|db))\.unreadable-(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/;

/**
 * The data's folder, a name a line; the memory's limit, with what it was set to above, if it was raised; the volume.
 */
export const DATA_COMMAND = [
    "sh",
    "-c",
    `ls ${DATA} && grep memory_limit /etc/mosquitto/mosquitto.conf && df -Pk ${DATA}`,
];

/** Kilobytes: of the volume, taken, free. */
const VOLUME = new RegExp(`^\\S+ +(\\d+) +\\d+ +(\\d+) +\\d+% ${DATA}$`, "m");

const RAISED = /^# memory_limit (\d+)\nmemory_limit (\d+)$/m;

interface Listed {
    exit_code?: number;
    stdout?: string;
    stderr?: string;
}

/**
 * A warning for each file, until it is removed, and for a limit that was raised. Changes nothing in the machine.
 * @throws when the machine cannot be asked
 */
export async function dataWarnings(
    client: FlyClient,
    app: string,
    machineId: string,
): Promise<string[]> {
    const listed = await client.post<Listed>(["apps", app, "machines", machineId, "exec"], {
        body: { command: DATA_COMMAND, timeout: 10 },
        safe: true,
    });
    if ((listed.exit_code ?? 0) !== 0)
        throw new Error(listed.stderr?.trim() || "its data cannot be listed");
    return warningsOf(listed.stdout ?? "");
}

/** @param listing what DATA_COMMAND has printed */
export function warningsOf(listing: string): string[] {
    return [...putAside(listing), ...overLimit(listing), ...nearlyFull(listing)];
}

function nearlyFull(listing: string): string[] {
    const [size, free] =
        VOLUME.exec(listing)
            ?.slice(1)
            .map((kilobytes) => Number(kilobytes) / 1024) ?? [];
    if (size === undefined || free === undefined) return [];
    // Of the image's broker-space, which adds to it what Mosquitto 2.0 needs for a second copy of its file.
    const stopsAt = Math.min(size / 10, 128);
    if (free >= stopsAt * 2) return [];
    const has = `data - the volume has ${Math.floor(free)} of ${Math.floor(size)} MB left`;
    return [
        free <= stopsAt
            ? `${has}, so the broker is down until there is room: set volumeSizeGb higher`
            : `${has}; at ${Math.ceil(stopsAt)} MB the broker ends until there is room: set volumeSizeGb higher`,
    ];
}

function overLimit(listing: string): string[] {
    const [set, raised] =
        RAISED.exec(listing)
            ?.slice(1)
            .map((bytes) => Number(bytes) / 2 ** 20) ?? [];
    if (set === undefined || raised === undefined) return [];
    return [
        `data - needs more memory than memoryLimitMb, which is ${set}; the limit is ${Math.ceil(raised)} MB ` +
            "until that is set to as much, or the broker starts with less data",
    ];
}

function putAside(listing: string): string[] {
    return listing.split("\n").flatMap((name) => {
        const found = PUT_ASIDE.exec(name.trim());
        if (!found) return [];
        const [, file, year, month, day, hour, minute, second] = found;
        return [
            `data - ${file} could not be read when the broker started at ` +
                `${year}-${month}-${day}T${hour}:${minute}:${second}Z, and it began without; the file is ` +
                `${DATA}/${name.trim()} in the machine, and this warning stays until it is removed`,
        ];
    });
}
