/** Starting, restarting and removing a machine. */
import type { FlyClient } from "../api/client.ts";
import { isReachable } from "../describe.ts";
import { FlyError, isGone, isLeaseHeld } from "../api/errors.ts";
import { waitUntilHealthy } from "./health.ts";
import { withLease } from "../api/lease.ts";
import { waitForState } from "./wait.ts";
import type { Owner } from "../ownership.ts";
import type { WireMachine } from "../api/types.ts";
import { deadlineIn, poll, Progress, type Deadline } from "../api/wait.ts";

const RESTART_WITHIN_S = 180;

/** Restarts it, so that it sees its volume's new size, and waits for its health checks. */
export async function restartMachine(
    client: FlyClient,
    app: string,
    id: string,
    owner: Owner = { project: "", stack: "" },
): Promise<void> {
    const path = ["apps", app, "machines", id];
    const machine = await client.get<WireMachine>(path);
    if (machine.state !== "started") {
        return;
    }
    const deadline = deadlineIn(RESTART_WITHIN_S);
    await withLease(client, { app, id, owner }, deadline, async (nonce) => {
        try {
            await client.post([...path, "restart"], { nonce, safe: true, deadlineMs: 60_000 });
        } catch (error) {
            // Nobody else can, under our lease: it is our own request, whose answer was lost.
            if (!isRestarting(error)) {
                throw error;
            }
        }
        const config = machine.config ?? { image: "" };
        await waitUntilHealthy(client, { app, id, fresh: true }, config, deadline);
    });
}

function isRestarting(error: unknown): boolean {
    return (
        error instanceof FlyError &&
        error.status === 412 &&
        /state: '(re)?starting'/.test(error.text)
    );
}

/** 412 while Fly is still busy with it: "machine still active, refusing to start" and the like. */
export async function startMachine(
    client: FlyClient,
    app: string,
    id: string,
    nonce: string,
    deadline: Deadline,
): Promise<void> {
    let refusal: unknown;
    const started = await poll(deadline, async () => {
        try {
            await client.post(["apps", app, "machines", id, "start"], {
                nonce,
                safe: true,
                always: true,
            });
            return true;
        } catch (error) {
            if (!(error instanceof FlyError) || error.status !== 412) {
                throw error;
            }
            refusal = error;
            return undefined;
        }
    });
    if (!started) {
        throw refusal;
    }
}

/**
 * Stops it, so that the broker can write down what it has, then removes it, and waits until it is
 * gone. One that is gone already is fine.
 */
export async function removeMachine(
    client: FlyClient,
    app: string,
    id: string,
    deadline: Deadline,
): Promise<void> {
    const path = ["apps", app, "machines", id];
    const machine = await getMachine(client, app, id);
    if (!machine) {
        return;
    }
    if (machine.state === "started" && isReachable(machine)) {
        await stopBeforehand(client, app, machine);
    }
    const progress = new Progress(`machine ${id}`);
    let refusal: unknown;
    const accepted = await poll(deadline, async () => {
        try {
            await client.delete(path, { query: { force: true }, deadlineMs: 60_000 });
            return true;
        } catch (error) {
            if (isGone(error)) {
                return true;
            }
            if (!(error instanceof FlyError) || !(error.status === 412 || isLeaseHeld(error))) {
                throw error;
            }
            refusal = error;
            progress.say(`waiting to remove it (${error.text})`);
            return undefined;
        }
    });
    if (!accepted) {
        throw refusal;
    }
    const gone = await poll(deadline, async () => {
        progress.say("waiting until it is destroyed");
        return (await getMachine(client, app, id)) ? undefined : true;
    });
    if (!gone) {
        throw new Error(`Machine ${id} is still there ${deadline.seconds} s after its removal.`);
    }
}

const STOP_WITHIN_S = 40;

/** Best effort: a machine that does not stop is removed by force anyway. */
async function stopBeforehand(client: FlyClient, app: string, machine: WireMachine): Promise<void> {
    try {
        await client.post(["apps", app, "machines", machine.id, "stop"], { safe: true, body: {} });
        const ref = { app, id: machine.id, instanceId: machine.instance_id };
        await waitForState(client, ref, "stopped", deadlineIn(STOP_WITHIN_S));
    } catch (error) {
        if (!(error instanceof Error)) {
            throw error;
        }
    }
}

/**
 * `undefined` when it is gone: Fly answers for a destroyed machine for a while, and destroys one whose host it
 * does not reach as soon as that is back.
 */
export async function getMachine(
    client: FlyClient,
    app: string,
    id: string,
): Promise<WireMachine | undefined> {
    try {
        const found = await client.get<WireMachine>(["apps", app, "machines", id]);
        const isGoing = found.state === "destroying" && !isReachable(found);
        return isGoing || found.state === "destroyed" || found.state === "replaced"
            ? undefined
            : found;
    } catch (error) {
        if (isGone(error)) {
            return undefined;
        }
        throw error;
    }
}
