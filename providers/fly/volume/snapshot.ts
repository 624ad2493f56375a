/** Takes snapshots of a volume on demand. Fly schedules them, which takes a while. */
import type { AppOnFly, FlyClient } from "../api/client.ts";
import { FlyError, isAmbiguous } from "../api/errors.ts";
import type { WireSnapshot } from "../api/types.ts";
import { deadlineIn, poll, Progress, remainingMs, type Deadline } from "../api/wait.ts";

const CREATED_WITHIN_S = 600;

/** Time for Fly to accept the request, as long as it answers that it failed or does not answer. */
const ACCEPTED_WITHIN_S = 60;

/**
 * Takes a snapshot of the volume's present contents and waits until it is done. Fly keeps it for the volume's
 * `snapshot_retention` days, even after the volume is destroyed.
 * @returns the snapshot's ID
 * @throws Error where it is not done in time; FlyError where Fly does not accept the request
 */
export async function takeSnapshot({ client, app }: AppOnFly, volume: string): Promise<string> {
    const path = ["apps", app, "volumes", volume, "snapshots"];
    const list = async () => (await client.get<WireSnapshot[] | null>(path)) ?? [];
    const progress = new Progress(`volume ${volume}`);
    const older = new Set<string>();
    let asked: { id: string | undefined } | undefined;
    let seen = "not scheduled";
    const accepting = deadlineIn(ACCEPTED_WITHIN_S);
    const id = await poll(deadlineIn(CREATED_WITHIN_S), async () => {
        if (!asked) {
            // A snapshot that is already under way may lack the latest data.
            for (const snapshot of await list()) older.add(snapshot.id);
            asked = await ask(client, path, accepting);
        }
        const own = asked?.id;
        const ours = asked
            ? (await list()).filter((one) => (own ? one.id === own : !older.has(one.id)))
            : [];
        seen = ours[0]?.status ?? seen;
        progress.say(`waiting for a snapshot of it (${seen})`);
        return ours.find(({ status }) => status === "created")?.id;
    });
    if (id === undefined) {
        throw new Error(
            `The snapshot of volume ${volume} is "${seen}" after ${CREATED_WITHIN_S} s.\n` +
                "  Run it again.",
        );
    }
    return id;
}

/**
 * @returns undefined where the request must be repeated: an older snapshot is still being taken, or, until the
 *     deadline, the answer was lost; without an ID where the answer has none, as in the OpenAPI document
 */
async function ask(
    client: FlyClient,
    path: readonly string[],
    accepting: Deadline,
): Promise<{ id: string | undefined } | undefined> {
    try {
        const answer = await client.post<WireSnapshot | undefined>(path);
        return { id: answer?.id };
    } catch (error) {
        const busy =
            error instanceof FlyError &&
            error.status === 412 &&
            /snapshot is already/i.test(error.text);
        const uncertain = isAmbiguous(error) && remainingMs(accepting) > 0;
        if (!busy && !uncertain) {
            throw error;
        }
        return undefined;
    }
}
