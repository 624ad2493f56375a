import type { MachineRecord } from "../model/records.ts";
import type { Containers, ContainerView, Exit } from "./containers.ts";

/** Exit of a process that left no trace. */
export function lostExit(): Exit {
    return { exitCode: 137, oomKilled: false, finishedAt: new Date().toISOString() };
}

/** Decides how a starting server takes over a machine of an earlier one. */
export type Recovery =
    /** Still running: adopt it. */
    | { action: "adopt"; view: ContainerView }
    /** Exited meanwhile. */
    | { action: "ended"; exit: Exit }
    /** Should run, but does not. */
    | { action: "boot" }
    | { action: "stop" }
    | { action: "destroy" }
    | { action: "none" };

/** Removes this instance's containers that are no machine's current one. */
export async function removeStrays(
    containers: Containers,
    machines: Record<string, MachineRecord>,
): Promise<void> {
    for (const one of await containers.list()) {
        if (machines[one.machine]?.container !== one.id) await containers.remove(one.id);
    }
}

export async function recoveryOf(
    machine: MachineRecord,
    containers: Containers,
): Promise<Recovery> {
    if (machine.unreachable) return { action: "none" };
    switch (machine.state) {
        case "started": {
            const view =
                machine.container === undefined
                    ? undefined
                    : await containers.view(machine.container);
            if (view?.running === true) return { action: "adopt", view };
            // The exit is already recorded: the earlier server stopped the machine when it was stopped.
            if (machine.events[0]?.type === "exit") return { action: "boot" };
            return { action: "ended", exit: view?.exit ?? lostExit() };
        }
        case "created":
            return { action: machine.skipLaunch ? "none" : "boot" };
        case "starting":
        case "restarting":
        case "replacing":
            return { action: "boot" };
        case "stopping":
            return { action: "stop" };
        case "destroying":
            return { action: "destroy" };
        case "stopped":
        case "suspended":
        case "failed":
        case "destroyed":
            return { action: "none" };
    }
}
