/** Starts, reboots, reads and removes a machine. */
import { setTimeout as timer } from "node:timers/promises";
import { messageOf } from "../../provider.ts";
import type { FlyClient } from "../api/client.ts";
import { isReachable } from "../describe.ts";
import { FlyError, isGone, isLeaseHeld } from "../api/errors.ts";
import { waitForHealthy } from "./health.ts";
import { withLease } from "../api/lease.ts";
import { hasNewEvent } from "./failure.ts";
import { waitForState } from "./wait.ts";
import type { Owner } from "../ownership.ts";
import type { WireMachine } from "../api/types.ts";
import { deadlineIn, poll, Progress, type Deadline } from "../api/wait.ts";

const REBOOT_WITHIN_S = 180;

/** Pauses between looks at a machine that stops; short, since the broker is down meanwhile. */
const STOP_PAUSES_MS = [250, 250, 500, 1000];

/**
 * Stops and starts a machine, so that it boots with its volume's new size, and waits for its health checks. Fly's
 * proxy may start it first, for a client that connects. Also starts a machine that is already stopped, perhaps by
 * a run that was killed in between.
 */
export async function rebootMachine(
    client: FlyClient,
    app: string,
    id: string,
    owner: Owner = { project: "", stack: "" },
): Promise<void> {
    const path = ["apps", app, "machines", id];
    const machine = await client.get<WireMachine>(path);
    if (!["started", "stopping", "stopped"].includes(machine.state)) {
        return;
    }
    const deadline = deadlineIn(REBOOT_WITHIN_S);
    await withLease(client, { app, id, owner }, deadline, async (nonce) => {
        try {
            if (machine.state === "started") {
                await client.post([...path, "stop"], { nonce, safe: true, body: {} });
            }
            const look = async () => {
                const now = await client.get<WireMachine>(path);
                return now.state === "stopped" || hasNewEvent("exit", machine, now) || undefined;
            };
            if (!(await poll(deadline, look, STOP_PAUSES_MS))) {
                throw new Error(`Machine ${id} still runs ${deadline.seconds} s after its stop.`);
            }
            await startMachine(client, app, machine, nonce, deadline);
        } catch (error) {
            const outcome = await startAgain(client, app, machine, nonce);
            throw new Error(`${messageOf(error)}\n  ${outcome}`, { cause: error });
        }
        const config = machine.config ?? { image: "" };
        await waitForHealthy(client, { app, id, fresh: true }, config, deadline);
    });
}

/**
 * Starts a machine. Fly answers 412 while it is busy with the machine ("machine still active, refusing to start"),
 * and possibly once its proxy has started it.
 * @param before the machine before its stop, or while stopped
 */
export async function startMachine(
    client: FlyClient,
    app: string,
    before: WireMachine,
    nonce: string,
    deadline: Deadline,
): Promise<void> {
    let refusal: FlyError | undefined;
    const started = await poll(deadline, async () => {
        refusal = await tryToStart(client, app, before, nonce);
        return refusal ? undefined : true;
    });
    if (!started) {
        throw refusal!;
    }
}

const START_TRIES = 15;

/**
 * Starts and uncordons a machine again after a failure or Ctrl-C.
 * @param before the machine before the operation
 * @returns a sentence about the outcome
 */
export async function startAgain(
    client: FlyClient,
    app: string,
    before: WireMachine,
    nonce: string,
): Promise<string> {
    try {
        if (!before.cordoned) {
            const path = ["apps", app, "machines", before.id, "uncordon"];
            await client.post(path, { nonce, safe: true, always: true });
        }
        for (let tries = 1; ; tries++) {
            const refusal = await tryToStart(client, app, before, nonce);
            if (!refusal) {
                return `Machine ${before.id} is started again where it was.`;
            }
            if (tries === START_TRIES) {
                throw refusal;
            }
            await timer(1000);
        }
    } catch (error) {
        return (
            `Machine ${before.id} could not be started again (${messageOf(error)}): ` +
            "run `pulumi up --refresh`."
        );
    }
}

/** @returns Fly's refusal while it is busy with the machine; undefined once it starts */
async function tryToStart(
    client: FlyClient,
    app: string,
    before: WireMachine,
    nonce: string,
): Promise<FlyError | undefined> {
    const path = ["apps", app, "machines", before.id];
    try {
        await client.post([...path, "start"], { nonce, safe: true, always: true });
        return undefined;
    } catch (error) {
        if (!(error instanceof FlyError) || error.status !== 412) {
            throw error;
        }
        const now = await client.get<WireMachine>(path, { always: true });
        return isStartedSince(before, now) ? undefined : error;
    }
}

/** Tells by its events whether the machine has been started since; its state alone may come from a lagging read. */
function isStartedSince(before: WireMachine, now: WireMachine): boolean {
    return (
        (now.state === "started" || now.state === "starting") && hasNewEvent("start", before, now)
    );
}

/**
 * Stops a machine, so that the broker can save its data, removes it, and waits until it is gone. Does nothing
 * where it is gone already.
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
        throw new Error(`Machine ${id} still exists ${deadline.seconds} s after its removal.`);
    }
}

const STOP_WITHIN_S = 40;

/** Tries to stop a machine: one that does not stop is removed by force anyway. */
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
 * Reads a machine. Fly still returns a destroyed machine for a while, and destroys one on an unreachable host
 * only once the host is back.
 * @returns undefined where the machine is gone, or will be
 */
export async function getMachine(
    client: FlyClient,
    app: string,
    id: string,
): Promise<WireMachine | undefined> {
    const found = await client.find<WireMachine>(["apps", app, "machines", id]);
    const isGoing = found?.state === "destroying" && !isReachable(found);
    return isGoing || found?.state === "destroyed" || found?.state === "replaced"
        ? undefined
        : found;
}
