/** Waits for a specific instance of a machine to reach a state. */
import type { FlyClient } from "../api/client.ts";
import { FlyError, isGone } from "../api/errors.ts";
import { MachineNotReady, refuseFailed } from "./failure.ts";
import type { WireMachine } from "../api/types.ts";
import { Progress, remainingMs, sleep, type Deadline } from "../api/wait.ts";

/** Timeout of Fly's `wait`, whose maximum is a minute; shorter, to notice a failed machine earlier. */
const WAIT_S = 30;

/** Time in which Fly may not know a new machine yet (flyctl#4618). */
export const NOT_KNOWN_YET_MS = 10_000;

export interface MachineRef {
    readonly app: string;
    readonly id: string;
    /** Instance to wait for; an older one does not count. @default any */
    readonly instanceId?: string | undefined;
    /** Whether it has just been started: its checks mean nothing before their grace period ends. */
    readonly fresh?: boolean;
}

/** @throws MachineNotReady where the machine fails, or is not in the state by the deadline */
export async function waitForState(
    client: FlyClient,
    ref: MachineRef,
    state: "started" | "stopped" | "destroyed",
    deadline: Deadline,
): Promise<void> {
    const path = ["apps", ref.app, "machines", ref.id];
    const progress = new Progress(`machine ${ref.id}`);
    const knownBy = performance.now() + NOT_KNOWN_YET_MS;
    for (;;) {
        const seconds = Math.max(1, Math.min(WAIT_S, Math.ceil(remainingMs(deadline) / 1000)));
        try {
            await client.get([...path, "wait"], {
                query: { state, version: ref.instanceId, timeout: seconds },
                deadlineMs: (seconds + 10) * 1000,
                final: [408],
            });
            return;
        } catch (error) {
            if (isGone(error)) {
                if (state === "destroyed") {
                    return;
                }
                if (performance.now() < knownBy) {
                    await sleep(500);
                    continue;
                }
            }
            if (!(error instanceof FlyError) || error.status !== 408) {
                throw error;
            }
        }
        const machine = await getFresh(client, ref, knownBy);
        if (!machine) {
            await sleep(500);
            continue;
        }
        refuseOtherInstance(ref, machine);
        if (state === "started") {
            refuseFailed(machine);
        }
        if (remainingMs(deadline) === 0) {
            throw new MachineNotReady(
                `Machine ${ref.id} is "${machine.state}", not "${state}", after ${deadline.seconds} s.`,
                machine,
            );
        }
        progress.say(`waiting for "${state}" (is "${machine.state}")`);
    }
}

/** @throws Error where the machine is another instance than the expected one */
export function refuseOtherInstance(ref: MachineRef, machine: WireMachine): void {
    if (ref.instanceId && machine.instance_id && machine.instance_id !== ref.instanceId) {
        throw new Error(`Machine ${ref.id} was changed by someone else meanwhile.`);
    }
}

/**
 * Reads the machine. Reads may lag behind for a while after a change.
 * @returns undefined where a lagging read finds no machine, or an earlier instance
 */
export async function getFresh(
    client: FlyClient,
    { app, id, instanceId }: MachineRef,
    knownBy: number,
): Promise<WireMachine | undefined> {
    let machine: WireMachine;
    try {
        machine = await client.get<WireMachine>(["apps", app, "machines", id]);
    } catch (error) {
        if (isGone(error) && performance.now() < knownBy) {
            return undefined;
        }
        throw error;
    }
    // Instance IDs are ULIDs: later ones are greater.
    const isEarlier =
        instanceId !== undefined &&
        machine.instance_id !== undefined &&
        machine.instance_id < instanceId;
    return isEarlier && performance.now() < knownBy ? undefined : machine;
}
