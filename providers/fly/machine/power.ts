/** Starts, reboots and removes a machine. */
import { setTimeout as timer } from "node:timers/promises";
import { messageOf } from "../../provider.ts";
import { FlyError, isGone, isLeaseHeld } from "../api/errors.ts";
import type { MachineApi } from "../api/machineApi.ts";
import type { WireMachine } from "../api/types.ts";
import { deadlineIn, poll, Progress, type Deadline } from "../api/wait.ts";
import { isReachable } from "../describe.ts";
import type { Owner } from "../ownership.ts";
import { hasNewEvent } from "./failure.ts";
import { withLease } from "./lease.ts";
import { waitForHealthy, waitForState } from "./wait.ts";

const REBOOT_WITHIN_S = 180;

/** Pauses between looks at a machine that stops; short, since the broker is down meanwhile. */
const STOP_PAUSES_MS = [250, 250, 500, 1000];

/**
 * Stops and starts a machine, so that it boots with its volume's new size, and waits for its health checks. Fly's
 * proxy may start it first, for a client that connects. Also starts a machine that is already stopped, perhaps by
 * a run that was killed in between.
 */
export async function rebootMachine(
    machine: MachineApi,
    owner: Owner = { project: "", stack: "" },
): Promise<void> {
    const before = await machine.get();
    if (!["started", "stopping", "stopped"].includes(before.state)) {
        return;
    }
    const deadline = deadlineIn(REBOOT_WITHIN_S);
    await withLease(machine, { owner, deadline }, async (leased) => {
        try {
            if (before.state === "started") {
                await leased.post(["stop"], { safe: true, body: {} });
            }
            const look = async () => {
                const now = await leased.get();
                return now.state === "stopped" || hasNewEvent("exit", before, now) || undefined;
            };
            if (!(await poll(deadline, look, STOP_PAUSES_MS))) {
                throw new Error(
                    `Machine ${machine.id} still runs ${deadline.seconds} s after its stop.`,
                );
            }
            await startMachine(leased, before, deadline);
        } catch (error) {
            throw await startAgain(leased, before, error);
        }
        const config = before.config ?? { image: "" };
        await waitForHealthy(leased, { config, deadline, fresh: true });
    });
}

/**
 * Starts a machine. Fly answers 412 while it is busy with the machine ("machine still active, refusing to start"),
 * and possibly once its proxy has started it.
 * @param before the machine before its stop, or while stopped
 */
export async function startMachine(
    leased: MachineApi,
    before: WireMachine,
    deadline: Deadline,
): Promise<void> {
    let refusal: FlyError | undefined;
    const started = await poll(deadline, async () => {
        refusal = await tryToStart(leased, before);
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
 * @returns the failure with a sentence about the outcome
 */
export async function startAgain(
    leased: MachineApi,
    before: WireMachine,
    failure: unknown,
): Promise<Error> {
    const outcome = await tryToStartAgain(leased, before).then(
        () => `Machine ${before.id} is started again where it was.`,
        (error: unknown) =>
            `Machine ${before.id} could not be started again (${messageOf(error)}): ` +
            "run `pulumi up --refresh`.",
    );
    return new Error(`${messageOf(failure)}\n  ${outcome}`, { cause: failure });
}

async function tryToStartAgain(leased: MachineApi, before: WireMachine): Promise<void> {
    if (!before.cordoned) {
        await leased.post(["uncordon"], { safe: true, always: true });
    }
    for (let tries = 1; ; tries++) {
        const refusal = await tryToStart(leased, before);
        if (!refusal) {
            return;
        }
        if (tries === START_TRIES) {
            throw refusal;
        }
        await timer(1000);
    }
}

/** @returns Fly's refusal while it is busy with the machine; undefined once it starts */
async function tryToStart(leased: MachineApi, before: WireMachine): Promise<FlyError | undefined> {
    try {
        await leased.post(["start"], { safe: true, always: true });
        return undefined;
    } catch (error) {
        if (!(error instanceof FlyError) || error.status !== 412) {
            throw error;
        }
        const now = await leased.get({ always: true });
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
export async function removeMachine(machine: MachineApi, deadline: Deadline): Promise<void> {
    const found = await machine.find();
    if (!found) {
        return;
    }
    if (found.state === "started" && isReachable(found)) {
        await stopBeforehand(machine, found);
    }
    const progress = new Progress(`machine ${machine.id}`);
    let refusal: unknown;
    const accepted = await poll(deadline, async () => {
        try {
            await machine.delete([], { query: { force: true }, deadlineMs: 60_000 });
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
        return (await machine.find()) ? undefined : true;
    });
    if (!gone) {
        throw new Error(
            `Machine ${machine.id} still exists ${deadline.seconds} s after its removal.`,
        );
    }
}

const STOP_WITHIN_S = 40;

/** Tries to stop a machine: one that does not stop is removed by force anyway. */
async function stopBeforehand(machine: MachineApi, found: WireMachine): Promise<void> {
    try {
        await machine.post(["stop"], { safe: true, body: {} });
        const deadline = deadlineIn(STOP_WITHIN_S);
        await waitForState(machine, "stopped", { instanceId: found.instance_id, deadline });
    } catch (error) {
        if (!(error instanceof Error)) {
            throw error;
        }
    }
}
