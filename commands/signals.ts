import { cancel } from "../providers/fly/api/cancel.ts";
import { say } from "../lib/process.ts";

const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/**
 * Has Ctrl-C, and what else asks for the end, end what is under way as an error does, so that what it
 * has begun is taken away. Asked again, the command ends at once.
 *
 * @returns from when on it is past that: from then on who asks is told `why` it goes on
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
