/** Waiting until a machine runs as its new instance and its health checks pass. */
import type { FlyClient } from "./client.ts";
import { durationNs } from "./config-diff.ts";
import { FlyError, isGone } from "./errors.ts";
import type { MachineConfig, WireMachine, WireMachineEvent } from "./types.ts";
import { poll, Progress, remainingMs, sleep, type Deadline } from "./wait.ts";

/** Fly's `wait` takes a minute at most; shorter, so that a failed machine is seen earlier. */
const WAIT_S = 30;

/** From these a machine does not come up by itself. */
const FAILED = new Set(["failed", "launch_failed", "destroying", "destroyed", "replaced"]);

/** A machine that was made a moment ago may not be known to `wait` yet (flyctl#4618). */
const NOT_KNOWN_YET_MS = 10_000;

const CHECK_PAUSES_MS = [1000, 2000, 3000, 4000, 5000];

/** The instance failed, or did not get ready in time; carries what the machine says about it. */
export class MachineNotReady extends Error {
    readonly reason: string;
    readonly machine: WireMachine | undefined;

    constructor(reason: string, machine: WireMachine | undefined) {
        const events = describeEvents(machine?.events ?? []);
        super(events ? `${reason}\n  Its last events: ${events}` : reason);
        this.name = "MachineNotReady";
        this.reason = reason;
        this.machine = machine;
    }
}

export interface MachineRef {
    readonly app: string;
    readonly id: string;
    /** The instance to wait for; an older one being up counts for nothing. */
    readonly instanceId?: string | undefined;
    /** Started just now: its checks say nothing before their grace period is over. */
    readonly fresh?: boolean;
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
    const exits = new ExitCounter();
    let last: WireMachine | undefined;
    if (ref.fresh && expected > 0) {
        await sleep(Math.min(longestGraceMs(config), remainingMs(deadline)));
    }
    const knownBy = performance.now() + NOT_KNOWN_YET_MS;
    const healthy = await poll(
        deadline,
        async () => {
            const machine = await getFresh(client, ref, knownBy);
            if (!machine) {
                return undefined;
            }
            last = machine;
            refuseOtherInstance(ref, machine);
            refuseFailed(machine);
            exits.look(machine);
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

/** A read may lag behind: it then knows nothing of the machine, or only of an earlier instance. */
async function getFresh(
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
    // ULIDs: later ones are greater.
    const isEarlier =
        instanceId !== undefined &&
        machine.instance_id !== undefined &&
        machine.instance_id < instanceId;
    return isEarlier && performance.now() < knownBy ? undefined : machine;
}

function refuseFailed(machine: WireMachine): void {
    const stays = machine.state === "stopped" && machine.config?.restart?.policy === "no";
    if (stays || FAILED.has(machine.state)) {
        throw new MachineNotReady(`Machine ${machine.id} is "${machine.state}".`, machine);
    }
}

/** A machine that ends so often while it is being waited for does not come up. */
const MAX_EXITS = 4;

/** Counts the ends of a machine from one look to the next, by its events. */
class ExitCounter {
    #before: Set<string> | undefined;
    readonly #exits = new Set<string>();

    look(machine: WireMachine): void {
        const ids = (machine.events ?? [])
            .filter(({ type }) => type === "exit")
            .map(({ id, timestamp }) => id ?? String(timestamp));
        this.#before ??= new Set(ids);
        for (const id of ids) {
            if (!this.#before.has(id)) {
                this.#exits.add(id);
            }
        }
        if (this.#exits.size >= MAX_EXITS) {
            throw new MachineNotReady(`Machine ${machine.id} ends again and again.`, machine);
        }
    }
}

/** A moment for the check itself, after its grace period. */
const CHECK_TAKES_MS = 250;
const MAX_GRACE_MS = 30_000;

function longestGraceMs(config: MachineConfig): number {
    const checks = [
        ...Object.values(config.checks ?? {}),
        ...(config.services ?? []).flatMap(({ checks }) => checks ?? []),
    ];
    const graces = checks.map((check) => Number(durationNs(check.grace_period ?? 0)) / 1e6);
    const longest = Math.max(0, ...graces.filter((ms) => !Number.isNaN(ms)));
    return Math.min(longest, MAX_GRACE_MS) + CHECK_TAKES_MS;
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
