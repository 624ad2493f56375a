/** Reads a machine's health checks. */
import { shorten } from "../api/errors.ts";
import type { MachineCheck, MachineConfig, WireMachine } from "../api/types.ts";
import { durationNs } from "./configDiff.ts";

/** Time for the check itself, after its grace period. */
const CHECK_TAKES_MS = 250;
const MAX_GRACE_MS = 30_000;

/** Time in which the checks of a machine that has just been started mean nothing. */
export function longestGraceMs(config: MachineConfig): number {
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
