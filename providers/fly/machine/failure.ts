/** A machine that does not come up, and how that is seen. */
import { shorten } from "../api/errors.ts";
import type { WireMachine, WireMachineEvent } from "../api/types.ts";

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

/** From these a machine does not come up by itself. */
const FAILED = new Set(["failed", "launch_failed", "destroying", "destroyed", "replaced"]);

/** @throws MachineNotReady */
export function refuseFailed(machine: WireMachine): void {
    const stays = machine.state === "stopped" && machine.config?.restart?.policy === "no";
    if (stays || FAILED.has(machine.state)) {
        throw new MachineNotReady(`Machine ${machine.id} is "${machine.state}".`, machine);
    }
}

/** A machine that ends so often while it is being waited for does not come up. */
const MAX_EXITS = 4;

/** Counts the ends of a machine from one look to the next, by its events. */
export class ExitCounter {
    #before: Set<string> | undefined;
    readonly #exits = new Set<string>();

    /** @throws MachineNotReady at the last end that is borne */
    look(machine: WireMachine): void {
        const ids = eventIds("exit", machine);
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

/** Whether `now` has an event of the type that `before` has not. */
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
                exit?.error === undefined ? undefined : shorten(exit.error) || undefined,
            ].filter((detail) => detail !== undefined);
            const shown = details.length > 0 ? ` (${details.join(", ")})` : "";
            return `${shorten(type ?? "?")} ${shorten(status ?? "")}${shown}`.trim();
        })
        .join(", ");
}
