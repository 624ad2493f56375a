import { cancel } from "../providers/fly/api/cancel.ts";
import { say } from "../lib/process.ts";

const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/**
 * Cancels on the first Ctrl-C, SIGTERM or SIGHUP, so that the command cleans up as after an error; a
 * second signal exits at once.
 *
 * @returns a function to call when it is too late to cancel: from then on a signal only prints `why`
 */
export function endOnSignals(message: string): (why: string) => void {
    let past: string | undefined;
    const asked = () => {
        if (past !== undefined) {
            say(past);
            return;
        }
        for (const signal of SIGNALS) process.off(signal, asked);
        cancel(message);
    };
    for (const signal of SIGNALS) process.on(signal, asked);
    return (why) => {
        past = why;
    };
}
