import { ulid } from "../ids.ts";
import type { MachineEvent, MachineRecord } from "../model/records.ts";
import type { Exit } from "./containers.ts";

/** Number of events that a machine keeps; the API never lists more. */
const KEPT = 50;

export type Source = "user" | "flyd" | "proxy";

export function addEvent(
    machine: MachineRecord,
    type: string,
    status: string,
    source: Source,
    request?: Record<string, unknown>,
): MachineEvent {
    const event: MachineEvent = {
        id: ulid(),
        type,
        status,
        source,
        timestamp: Date.now(),
        ...(request === undefined ? {} : { request }),
    };
    machine.events = [event, ...machine.events].slice(0, KEPT);
    return event;
}

/**
 * Adds the event of a main process that exited. A process killed by signal N has exit code 128 + N; Fly
 * shows the signal separately, -1 if there was none.
 */
export function addExit(
    machine: MachineRecord,
    exit: Exit,
    about: { requestedStop: boolean; restarting: boolean },
): void {
    const signal = exit.exitCode > 128 ? exit.exitCode - 128 : -1;
    addEvent(machine, "exit", "stopped", "flyd", {
        exit_event: {
            exit_code: exit.exitCode,
            guest_exit_code: exit.exitCode,
            guest_signal: signal,
            signal,
            oom_killed: exit.oomKilled,
            requested_stop: about.requestedStop,
            restarting: about.restarting,
            exited_at: exit.finishedAt,
        },
        restart_count: machine.restarts.length,
    });
}
