/** Waits until a machine runs as its new instance and its health checks pass. */
import type { FlyClient } from "../api/client.ts";
import { durationNs } from "./configDiff.ts";
import { shorten } from "../api/errors.ts";
import { ExitCounter, MachineNotReady, refuseFailed } from "./failure.ts";
import {
    getFresh,
    NOT_KNOWN_YET_MS,
    refuseOtherInstance,
    waitForState,
    type MachineRef,
} from "./wait.ts";
import type { MachineCheck, MachineConfig, WireMachine } from "../api/types.ts";
import { poll, Progress, remainingMs, sleep, type Deadline } from "../api/wait.ts";

const CHECK_PAUSES_MS = [1000, 2000, 3000, 4000, 5000];

/** Waits for `started`, then for every health check. @returns the machine in its final state */
export async function waitForHealthy(
    client: FlyClient,
    ref: MachineRef,
    config: MachineConfig,
    deadline: Deadline,
): Promise<WireMachine> {
    await waitForState(client, ref, "started", deadline);
    return await waitForChecks(client, ref, config, deadline);
}

async function waitForChecks(
    client: FlyClient,
    ref: MachineRef,
    config: MachineConfig,
    deadline: Deadline,
): Promise<WireMachine> {
    const progress = new Progress(`machine ${ref.id}`);
    const expected = checksOf(config).length;
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

/** Time for the check itself, after its grace period. */
const CHECK_TAKES_MS = 250;
const MAX_GRACE_MS = 30_000;

function longestGraceMs(config: MachineConfig): number {
    const graces = checksOf(config).map(
        (check) => Number(durationNs(check.grace_period ?? 0)) / 1e6,
    );
    const longest = Math.max(0, ...graces.filter((ms) => !Number.isNaN(ms)));
    return Math.min(longest, MAX_GRACE_MS) + CHECK_TAKES_MS;
}

/** Lists the checks of a machine and of its services. */
export function checksOf(config: Pick<MachineConfig, "checks" | "services">): MachineCheck[] {
    return [
        ...Object.values(config.checks ?? {}),
        ...(config.services ?? []).flatMap(({ checks }) => checks ?? []),
    ];
}

const MAX_OUTPUT = 200;

/** @returns what a wait still waits for: `health check mqtt (critical: connection refused)` */
export function healthProblem(machine: WireMachine, expected: number): string | undefined {
    if (machine.state !== "started") {
        return `"started" (is "${machine.state}")`;
    }
    const checks = machine.checks ?? [];
    const bad = checks.filter(({ status }) => status !== "passing");
    if (bad.length > 0) {
        return bad
            .map(({ name, status, output }) => {
                const detail = output ? `: ${shorten(output.slice(0, MAX_OUTPUT))}` : "";
                return `health check ${name ?? "?"} (${status ?? "unknown"}${detail})`;
            })
            .join(", ");
    }
    return checks.length < expected
        ? `${expected - checks.length} health checks that have not run yet`
        : undefined;
}
