/**
 * The engine's word, after Ctrl-C, that what is under way should end. It tells it to the host of
 * dynamic providers, which keeps it to itself; so the call is noticed where it comes in.
 */
import { subscribe } from "node:diagnostics_channel";
import { setMaxListeners } from "node:events";

/** What a wait or a request that was cut short ends with. */
class Cancelled extends Error {
    constructor(message = "Cancelled. Run the same command again: it goes on from here.") {
        super(message);
        this.name = "Cancelled";
    }
}

const controller = new AbortController();

/** Its reason is a `Cancelled`. */
export const cancelled: AbortSignal = controller.signal;

// Every wait listens.
setMaxListeners(0, cancelled);

const CALL = "/pulumirpc.ResourceProvider/Cancel";

subscribe("http2.server.stream.start", (message) => {
    const { headers } = message as { headers?: Record<string, unknown> };
    if (headers?.[":path"] === CALL) {
        controller.abort(new Cancelled());
    }
});

/** For commands, which no engine tells. @param message what all that is under way ends with */
export function cancel(message?: string): void {
    controller.abort(new Cancelled(message));
}
