/**
 * Asks the machine, through the Machines API, what no client can see: data files that the last start
 * put aside as unreadable, more data than `memoryLimitMb` holds (the image's broker-data), a volume
 * that is full or nearly so (broker-space), and which files are in force (broker-files).
 */
import type { FlyClient } from "../providers/fly/api/client.ts";
import { parseState, type InForce } from "../providers/fly/secrets/liveCommand.ts";

const DATA = "/mosquitto/data";

/**
 * Name of a data file that was put aside, with its original name and the time. Its log and index are
 * put aside too, but not reported.
 */
const PUT_ASIDE =
    /^(mosquitto\.(?:sqlite3|db))\.unreadable-(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/;

/**
 * Prints the names in the data folder, the volume's space, the memory limit (with the configured one, if it was
 * raised; Mosquitto 2.0 has none), and the files in force, which older images do not report.
 */
export const DATA_COMMAND = [
    "sh",
    "-c",
    `ls ${DATA} && df -Pk ${DATA} && { grep memory_limit /etc/mosquitto/mosquitto.conf; broker-files state 2>/dev/null; true; }`,
];

/** Size and free space of the volume, in kilobytes. */
const VOLUME = new RegExp(`^\\S+ +(\\d+) +\\d+ +(\\d+) +\\d+% ${DATA}$`, "m");

const RAISED = /^# memory_limit (\d+)\nmemory_limit (\d+)$/m;

interface ExecResult {
    exit_code?: number;
    stdout?: string;
    stderr?: string;
}

export interface MachineData {
    /** Set when the broker is down, or will be within a second, because its volume is full. */
    full: string | undefined;
    /** Warnings about files put aside, a raised limit and a nearly full volume. */
    warnings: string[];
    /** The broker's files; undefined if the image does not report them. */
    inForce: InForce | undefined;
}

/**
 * Asks the machine, changing nothing in it.
 * @throws Error when the machine cannot be asked
 */
export async function askMachine(
    client: FlyClient,
    app: string,
    machineId: string,
): Promise<MachineData> {
    const listed = await client.post<ExecResult>(["apps", app, "machines", machineId, "exec"], {
        body: { command: DATA_COMMAND, timeout: 10 },
        safe: true,
    });
    if ((listed.exit_code ?? 0) !== 0)
        throw new Error(listed.stderr?.trim() || "the data folder cannot be listed");
    return readListing(listed.stdout ?? "");
}

/** The result when the machine cannot be asked, which alone is no reason to fail. */
export function unknownData(error: Error): MachineData {
    const warning = `data - cannot tell whether any was put aside: ${error.message}`;
    return { full: undefined, warnings: [warning], inForce: undefined };
}

/**
 * Parses the command's output.
 * @param listing output of DATA_COMMAND
 */
export function readListing(listing: string): MachineData {
    const { full, nearlyFull } = freeSpaceIn(listing);
    return {
        full,
        warnings: [...filesPutAside(listing), ...raisedLimit(listing), ...nearlyFull],
        inForce: parseState(listing.trim().split("\n").at(-1) ?? ""),
    };
}

function freeSpaceIn(listing: string): { full: string | undefined; nearlyFull: string[] } {
    const [size, free] =
        VOLUME.exec(listing)
            ?.slice(1)
            .map((kilobytes) => Number(kilobytes) / 1024) ?? [];
    const enough = { full: undefined, nearlyFull: [] };
    if (size === undefined || free === undefined) return enough;
    // The threshold of the image's broker-space, which adds what Mosquitto 2.0 needs for a second copy
    // of its file.
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

function raisedLimit(listing: string): string[] {
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

function filesPutAside(listing: string): string[] {
    return listing.split("\n").flatMap((name) => {
        const found = PUT_ASIDE.exec(name.trim());
        if (!found) return [];
        const [, file, year, month, day, hour, minute, second] = found;
        return [
            `data - ${file} was unreadable when the broker started at ` +
                `${year}-${month}-${day}T${hour}:${minute}:${second}Z, so the broker started without it; the file is ` +
                `${DATA}/${name.trim()} in the machine, and this warning repeats until you remove it`,
        ];
    });
}
