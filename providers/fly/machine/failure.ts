/** Detects and describes a machine that does not come up. */
import { shorten } from "../api/errors.ts";
import type { WireMachine, WireMachineEvent } from "../api/types.ts";

/** The instance failed or did not become ready in time; the message includes the machine's last events. */
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

/** States from which a machine does not recover by itself. */
const FAILED = new Set(["failed", "launch_failed", "destroying", "destroyed", "replaced"]);

/** @throws MachineNotReady */
export function refuseFailed(machine: WireMachine): void {
    const stays = machine.state === "stopped" && machine.config?.restart?.policy === "no";
    if (stays || FAILED.has(machine.state)) {
        throw new MachineNotReady(`Machine ${machine.id} is "${machine.state}".`, machine);
    }
}

/** Exits during one wait after which a machine counts as failed. */
const MAX_EXITS = 4;

/** Counts a machine's exits from one look to the next, by its events. */
export class ExitCounter {
    #before: Set<string> | undefined;
    readonly #exits = new Set<string>();

    /** @throws MachineNotReady at the fourth exit */
    look(machine: WireMachine): void {
        const ids = eventIds("exit", machine);
        this.#before ??= new Set(ids);
        for (const id of ids) {
            if (!this.#before.has(id)) {
                this.#exits.add(id);
            }
        }
        if (this.#exits.size >= MAX_EXITS) {
            throw new MachineNotReady(`Machine ${machine.id} exits again and again.`, machine);
        }
    }
}

/** Tells whether `now` has an event of the type that `before` lacks. */
export function hasNewEvent(type: string, before: WireMachine, now: WireMachine): boolean {
    const known = eventIds(type, before);
    return eventIds(type, now).some((id) => !known.includes(id));
}

function eventIds(type: string, { events }: WireMachine): string[] {
    return (events ?? [])
        .filter((event) => event.type === type)
        .map(({ id, timestamp }) => id ?? String(timestamp));
}

const SHOWN_EVENTS = 5;

/** Lists events newest first, as Fly does: `exit stopped (exit code 1), start started`. */
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
                exit?.error === undefined ? undefined : shorten(exit.error) || undefined,
            ].filter((detail) => detail !== undefined);
            const shown = details.length > 0 ? ` (${details.join(", ")})` : "";
            return `${shorten(type ?? "?")} ${shorten(status ?? "")}${shown}`.trim();
        })
        .join(", ");
}
