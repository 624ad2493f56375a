/**
 * What starts of the broker have put aside on the volume since they could not read it (broker-data in the
 * image). No client sees that, so the machine is asked, through the Machines API.
 */
import type { FlyClient } from "../providers/fly/client.ts";

const DATA = "/mosquitto/data";

/** A file's name before, and when it was put aside; its log and index go with it and are not named. */
const PUT_ASIDE =
    /^(mosquitto\.(?:sqlite3|db))\.unreadable-(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/;

interface Listed {
    exit_code?: number;
    stdout?: string;
    stderr?: string;
}

/**
 * A warning for each file, until it is removed. Changes nothing in the machine.
 * @throws when the machine cannot be asked
 */
export async function putAside(
    client: FlyClient,
    app: string,
    machineId: string,
): Promise<string[]> {
    const listed = await client.post<Listed>(["apps", app, "machines", machineId, "exec"], {
        body: { command: ["ls", DATA], timeout: 10 },
        safe: true,
    });
    if ((listed.exit_code ?? 0) !== 0) throw new Error(listed.stderr?.trim() || "ls has failed");
    return warningsOf(listed.stdout ?? "");
}

/** @param listing the folder's names, a line each */
export function warningsOf(listing: string): string[] {
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
