/** Runs a small stack once and injects a fault. */
import type { Fault } from "../../matrix/support/faults.ts";
import { Api } from "../../../dev/harness/api.ts";
import type { ProgramRun } from "../../../dev/harness/programStack.ts";
import type { SmallStack } from "./smallStack.ts";

export interface MetRun extends ProgramRun {
    /** Whether the fault was met. */
    readonly met: boolean;
}

/** @param call such as `POST /v1/apps/:app/machines`; its `nth` request meets the fault */
export async function meet(
    stack: SmallStack,
    call: string,
    nth: number,
    { action, times = 1 }: Fault,
    work: () => Promise<ProgramRun>,
): Promise<MetRun> {
    const api = new Api(stack.fly);
    const [method, template] = call.split(" ") as [string, string];
    const path = template.replaceAll(/:(app|machine|volume|ip)/g, "*");
    const rules = [{ method, path, nth, times, action }];
    await api.ok("POST", "/_local/faults", { rules });
    try {
        const run = await work();
        const now = await api.ok<{ rules: { applied: number }[] }>("GET", "/_local/faults");
        return { ...run, met: now.rules[0]!.applied > 0 };
    } finally {
        await api.ok("DELETE", "/_local/faults");
    }
}
