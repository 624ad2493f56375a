/** Waits until a machine runs as its new instance and its health checks pass. */
import { FlyError, isGone } from "../api/errors.ts";
import type { MachineApi } from "../api/machineApi.ts";
import type { MachineConfig, WireMachine } from "../api/types.ts";
import { poll, Progress, remainingMs, sleep, type Deadline } from "../api/wait.ts";
import { ExitCounter, MachineNotReady, refuseFailed } from "./failure.ts";
import { checksOf, healthProblem, longestGraceMs } from "./health.ts";
import { withLog, type LogSource } from "./logs.ts";

export interface InstanceWait {
    readonly deadline: Deadline;
    /** Instance to wait for; an older one does not count. @default any */
    readonly instanceId?: string | undefined;
}

export interface HealthWait extends InstanceWait, LogSource {
    /** Has the checks to wait for. */
    readonly config: MachineConfig;
    /** Whether it has just been started: its checks mean nothing before their grace period ends. */
    readonly fresh?: boolean;
}

/**
 * Waits for `started`, then for every health check.
 * @returns the machine in its final state
 * @throws MachineNotReady, with the machine's last log lines where available
 */
export async function waitForHealthy(machine: MachineApi, wait: HealthWait): Promise<WireMachine> {
    try {
        await waitForState(machine, "started", wait);
        return await waitForChecks(machine, wait);
    } catch (error) {
        throw error instanceof MachineNotReady ? await withLog(error, machine, wait) : error;
    }
}

/** Timeout of Fly's `wait`, whose maximum is a minute; shorter, to notice a failed machine earlier. */
const WAIT_S = 30;

/** Time in which Fly may not know a new machine yet (flyctl#4618). */
const NOT_KNOWN_YET_MS = 10_000;

/** @throws MachineNotReady where the machine fails, or is not in the state by the deadline */
export async function waitForState(
    machine: MachineApi,
    state: "started" | "stopped",
    { instanceId, deadline }: InstanceWait,
): Promise<void> {
    const progress = new Progress(`machine ${machine.id}`);
    const knownBy = performance.now() + NOT_KNOWN_YET_MS;
    for (;;) {
        const seconds = Math.max(1, Math.min(WAIT_S, Math.ceil(remainingMs(deadline) / 1000)));
        let found: WireMachine | undefined;
        try {
            await machine.client.get(machine.path("wait"), {
                query: { state, version: instanceId, timeout: seconds },
                deadlineMs: (seconds + 10) * 1000,
                final: [408],
            });
            return;
        } catch (error) {
            if (error instanceof FlyError && error.status === 408) {
                found = await getFresh(machine, instanceId, knownBy);
            } else if (!isGone(error) || performance.now() >= knownBy) {
                throw error;
            }
        }
        if (!found) {
            await sleep(500);
            continue;
        }
        if (state === "started") {
            refuseFailed(found);
        }
        if (remainingMs(deadline) === 0) {
            throw new MachineNotReady(
                `Machine ${machine.id} is "${found.state}", not "${state}", after ${deadline.seconds} s.`,
                found,
            );
        }
        progress.say(`waiting for "${state}" (is "${found.state}")`);
    }
}

const CHECK_PAUSES_MS = [1000, 2000, 3000, 4000, 5000];

async function waitForChecks(
    machine: MachineApi,
    { config, instanceId, fresh, deadline }: HealthWait,
): Promise<WireMachine> {
    const progress = new Progress(`machine ${machine.id}`);
    const expected = checksOf(config).length;
    const exits = new ExitCounter();
    let last: WireMachine | undefined;
    let problem: string | undefined = "its state";
    if (fresh && expected > 0) {
        await sleep(Math.min(longestGraceMs(config), remainingMs(deadline)));
    }
    const knownBy = performance.now() + NOT_KNOWN_YET_MS;
    const look = async () => {
        const found = await getFresh(machine, instanceId, knownBy);
        if (!found) {
            return undefined;
        }
        last = found;
        refuseFailed(found);
        exits.look(found);
        problem = healthProblem(found, expected);
        if (problem === undefined) {
            return found;
        }
        progress.say(`waiting for ${problem}`);
        return undefined;
    };
    const healthy = await poll(deadline, look, CHECK_PAUSES_MS);
    if (!healthy) {
        throw new MachineNotReady(
            `Machine ${machine.id} is not healthy after ${deadline.seconds} s: still waiting for ${problem}.`,
            last,
        );
    }
    return healthy;
}

/**
 * Reads the machine. Reads may lag behind for a while after a change.
 * @returns undefined where a lagging read finds no machine, or an earlier instance
 * @throws Error where it is another instance than the expected one
 */
async function getFresh(
    machine: MachineApi,
    instanceId: string | undefined,
    knownBy: number,
): Promise<WireMachine | undefined> {
    let found: WireMachine;
    try {
        found = await machine.get();
    } catch (error) {
        if (isGone(error) && performance.now() < knownBy) {
            return undefined;
        }
        throw error;
    }
    const { instance_id: seen } = found;
    if (!instanceId || !seen || seen === instanceId) {
        return found;
    }
    // Instance IDs are ULIDs: later ones are greater.
    if (seen < instanceId && performance.now() < knownBy) {
        return undefined;
    }
    throw new Error(`Machine ${machine.id} was changed by someone else meanwhile.`);
}
