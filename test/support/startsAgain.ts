import type { Project } from "../../dev/harness/project.ts";
import { until } from "../../dev/harness/until.ts";

export interface MachineView {
    instance_id: string;
    state: string;
    /** Newest first; Fly keeps only some. */
    events: { id: string; type: string; status: string }[];
}

/** Fly's answer for a machine. @param at its path in the Machines API */
export async function machineAt(project: Project, at: string): Promise<MachineView> {
    return (await (await project.fly("GET", at)).json()) as MachineView;
}

/** Runs a function that ends the machine's run, and waits until it has started again. */
export async function startsAgain(
    project: Project,
    at: string,
    how: () => Promise<unknown>,
): Promise<void> {
    const lastStart = ({ events }: MachineView) =>
        events.find(({ type, status }) => type === "start" && status === "started")?.id;
    const before = lastStart(await machineAt(project, at));
    await how();
    await until(
        "the machine has started",
        async () => {
            const now = await machineAt(project, at);
            return now.state === "started" && lastStart(now) !== before;
        },
        { withinMs: 60_000 },
    );
}
