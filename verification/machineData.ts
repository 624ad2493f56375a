/**
 * What no client sees of the broker, so the machine is asked, through the Machines API: files of its data that the
 * last start has put aside since they could not be read, more data than `memoryLimitMb` holds (broker-data in the
 * image), a volume that is full or nearly so (broker-space), and which files are in force (broker-files).
 */
import type { FlyClient } from "../providers/fly/api/client.ts";
import { parseState, type InForce } from "../providers/fly/secrets/liveCommand.ts";

const DATA = "/mosquitto/data";

/** A file's name before, and when it was put aside; its log and index go with it and are not named. */
const PUT_ASIDE =
    /^(mosquitto\.(?:sqlite3|db))\.unreadable-(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/;

/**
 * The data's folder, a name a line; the memory's limit, with what it was set to above, if it was raised; the volume;
 * the files in force, of which an older image does not tell.
 */
export const DATA_COMMAND = [
    "sh",
    "-c",
    `ls ${DATA} && grep memory_limit /etc/mosquitto/mosquitto.conf && df -Pk ${DATA} && { broker-files state 2>/dev/null || true; }`,
];

/** Kilobytes: of the volume, taken, free. */
const VOLUME = new RegExp(`^\\S+ +(\\d+) +\\d+ +(\\d+) +\\d+% ${DATA}$`, "m");

const RAISED = /^# memory_limit (\d+)\nmemory_limit (\d+)$/m;

interface Listed {
    exit_code?: number;
    stdout?: string;
    stderr?: string;
}

export interface MachineData {
    /** Why the broker is down, or will be within a second: its volume is full. */
    full: string | undefined;
    /** A warning for each file that was put aside, for a raised limit, and for a volume that is nearly full. */
    warnings: string[];
    /** The broker's files; undefined where the image cannot tell. */
    inForce: InForce | undefined;
}

/**
 * Changes nothing in the machine.
 * @throws when the machine cannot be asked
 */
export async function askMachine(
    client: FlyClient,
    app: string,
    machineId: string,
): Promise<MachineData> {
    const listed = await client.post<Listed>(["apps", app, "machines", machineId, "exec"], {
        body: { command: DATA_COMMAND, timeout: 10 },
        safe: true,
    });
    if ((listed.exit_code ?? 0) !== 0)
        throw new Error(listed.stderr?.trim() || "its data cannot be listed");
    return readListing(listed.stdout ?? "");
}

/** Where the machine cannot be asked, which alone is no reason to fail. */
export function notAsked(error: Error): MachineData {
    const warning = `data - whether any was put aside is not known: ${error.message}`;
    return { full: undefined, warnings: [warning], inForce: undefined };
}

/** @param listing what DATA_COMMAND has printed */
export function readListing(listing: string): MachineData {
    const { full, nearlyFull } = roomIn(listing);
    return {
        full,
        warnings: [...putAside(listing), ...overLimit(listing), ...nearlyFull],
        inForce: parseState(listing.trim().split("\n").at(-1) ?? ""),
    };
}

function roomIn(listing: string): { full: string | undefined; nearlyFull: string[] } {
    const [size, free] =
        VOLUME.exec(listing)
            ?.slice(1)
            .map((kilobytes) => Number(kilobytes) / 1024) ?? [];
    const enough = { full: undefined, nearlyFull: [] };
    if (size === undefined || free === undefined) return enough;
    // Of the image's broker-space, which adds to it what Mosquitto 2.0 needs for a second copy of its file.
    const stopsAt = Math.min(size / 10, 128);
    if (free >= stopsAt * 2) return enough;
    const has = `the volume has ${Math.floor(free)} of ${Math.floor(size)} MB left`;
    const more = "until there is room: set volumeSizeGb higher";
    return free <= stopsAt
        ? { full: `${has}, and the broker ends ${more}`, nearlyFull: [] }
        : {
              full: undefined,
              nearlyFull: [`data - ${has}; at ${Math.ceil(stopsAt)} MB the broker ends ${more}`],
          };
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
