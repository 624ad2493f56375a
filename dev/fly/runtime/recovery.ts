import type { MachineRecord } from "../model/records.ts";
import type { Containers, ContainerView, Exit } from "./containers.ts";

/** How a process ended of which nothing is left to ask. */
export function lostExit(): Exit {
    return { exitCode: 137, oomKilled: false, finishedAt: new Date().toISOString() };
}

/** What a server that starts has to do about a machine that an earlier one left. */
export type Recovery =
    /** It runs on: take it up again. */
    | { action: "adopt"; view: ContainerView }
    /** It ended while nobody looked. */
    | { action: "ended"; exit: Exit }
    /** It is to run and does not. */
    | { action: "boot" }
    | { action: "stop" }
    | { action: "destroy" }
    | { action: "none" };

/** Removes containers of the instance that are no machine's current one. */
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
            // An exit already on record: the earlier server was told to stop, and stopped it.
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
        default:
            return { action: "none" };
    }
}
