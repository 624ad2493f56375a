import { setTimeout as sleep } from "node:timers/promises";

/** Waits until it is so; throws after a minute. */
export async function until(holds: () => Promise<boolean> | boolean, everyMs = 200): Promise<void> {
    const deadline = Date.now() + 60_000;
    while (!(await holds())) {
        if (Date.now() > deadline) throw new Error(`not within a minute: ${String(holds)}`);
        await sleep(everyMs);
    }
}
