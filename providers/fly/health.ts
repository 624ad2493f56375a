/** Waiting until a machine runs as its new instance and its health checks pass. */
import { setTimeout as sleep } from "node:timers/promises";
import type { FlyClient } from "./client.ts";
import { FlyError, isGone } from "./errors.ts";
import type { MachineConfig, WireMachine, WireMachineEvent } from "./types.ts";
import { poll, Progress, remainingMs, type Deadline } from "./wait.ts";

/** Fly's `wait` answers within a minute at most; then one asks again. */
const WAIT_S = 60;

/** From these a machine does not come up by itself. */
const FAILED = new Set(["failed", "launch_failed", "destroying", "destroyed", "replaced"]);

/** A machine that was made a moment ago may not be known to `wait` yet (flyctl#4618). */
const NOT_KNOWN_YET_MS = 10_000;

const CHECK_PAUSES_MS = [1000, 2000, 3000, 4000, 5000];

/** The instance failed, or did not get ready in time; carries what the machine says about it. */
export class MachineNotReady extends Error {
    readonly machine: WireMachine | undefined;

    constructor(reason: string, machine: WireMachine | undefined) {
        const events = describeEvents(machine?.events ?? []);
        super(events ? `${reason}\n  Its last events: ${events}` : reason);
        this.name = "MachineNotReady";
        this.machine = machine;
    }
}

export interface MachineRef {
    readonly app: string;
    readonly id: string;
    /** The instance to wait for; an older one being up counts for nothing. */
    readonly instanceId?: string | undefined;
}

/** Waits for `started`, then for every health check; gives the machine as it then is. */
export async function waitUntilHealthy(
    client: FlyClient,
    ref: MachineRef,
    config: MachineConfig,
    deadline: Deadline,
): Promise<WireMachine> {
    await waitForState(client, ref, "started", deadline);
    return await waitForChecks(client, ref, config, deadline);
}

/** @param state what Fly's `wait` takes */
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
        const machine = await client.get<WireMachine>(path);
        refuseOtherInstance(ref, machine);
        if (state === "started" && FAILED.has(machine.state)) {
            throw new MachineNotReady(`Machine ${ref.id} is "${machine.state}".`, machine);
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

function refuseOtherInstance(ref: MachineRef, machine: WireMachine): void {
    if (ref.instanceId && machine.instance_id && machine.instance_id !== ref.instanceId) {
        throw new Error(`Machine ${ref.id} was changed by someone else meanwhile.`);
    }
}

async function waitForChecks(
    client: FlyClient,
    ref: MachineRef,
    config: MachineConfig,
    deadline: Deadline,
): Promise<WireMachine> {
    const progress = new Progress(`machine ${ref.id}`);
    const expected =
        Object.keys(config.checks ?? {}).length +
        (config.services ?? []).reduce((sum, { checks }) => sum + (checks?.length ?? 0), 0);
    let last: WireMachine | undefined;
    const healthy = await poll(
        deadline,
        async () => {
            const machine = await client.get<WireMachine>(["apps", ref.app, "machines", ref.id]);
            last = machine;
            refuseOtherInstance(ref, machine);
            if (FAILED.has(machine.state)) {
                throw new MachineNotReady(`Machine ${ref.id} is "${machine.state}".`, machine);
            }
            const problem = healthProblem(machine, expected);
            if (problem === undefined) {
                return machine;
            }
            progress.say(`waiting for ${problem}`);
            return undefined;
        },
        CHECK_PAUSES_MS,
    );
    if (!healthy) {
        const problem = last ? healthProblem(last, expected) : "its state";
        throw new MachineNotReady(
            `Machine ${ref.id} is not healthy after ${deadline.seconds} s: still waiting for ${problem ?? "it"}.`,
            last,
        );
    }
    return healthy;
}

/** What is still missing: `health check mqtt (critical: connection refused)`. */
function healthProblem(machine: WireMachine, expected: number): string | undefined {
    if (machine.state !== "started") {
        return `"started" (is "${machine.state}")`;
    }
    const checks = machine.checks ?? [];
    const bad = checks.filter(({ status }) => status !== "passing");
    if (bad.length > 0) {
        return bad
            .map(({ name, status, output }) => {
                const detail = output ? `: ${output.trim().slice(0, 200)}` : "";
                return `health check ${name ?? "?"} (${status ?? "unknown"}${detail})`;
            })
            .join(", ");
    }
    return checks.length < expected
        ? `${expected - checks.length} health checks that have not run yet`
        : undefined;
}

const SHOWN_EVENTS = 5;

/** The newest first, as Fly lists them: `exit stopped (exit code 1), start started`. */
export function describeEvents(events: readonly WireMachineEvent[]): string {
    return [...events]
        .sort((a, b) => (b.timestamp ?? 0) - (a.timestamp ?? 0))
        .slice(0, SHOWN_EVENTS)
        .map(({ type, status, request }) => {
            const exit = request?.exit_event;
            const details = [
                exit?.exit_code === undefined ? undefined : `exit code ${exit.exit_code}`,
                exit?.signal && exit.signal > 0 ? `signal ${exit.signal}` : undefined,
                exit?.oom_killed ? "out of memory" : undefined,
                exit?.error || undefined,
            ].filter((detail) => detail !== undefined);
            const shown = details.length > 0 ? ` (${details.join(", ")})` : "";
            return `${type ?? "?"} ${status ?? ""}${shown}`.trim();
        })
        .join(", ");
}
