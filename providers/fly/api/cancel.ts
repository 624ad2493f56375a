/**
 * Detects the engine's Cancel call after Ctrl-C. The host of dynamic providers does not forward it, so this
 * watches the host's incoming HTTP/2 requests.
 */
import { subscribe } from "node:diagnostics_channel";
import { setMaxListeners } from "node:events";

/** Error of a wait or a request that was cancelled. */
class Cancelled extends Error {
    constructor(message = "Cancelled. Run the same command again: it goes on from here.") {
        super(message);
        this.name = "Cancelled";
    }
}

const controller = new AbortController();

/** Aborts with a `Cancelled` as its reason. */
export const cancelled: AbortSignal = controller.signal;

// Every wait adds a listener.
setMaxListeners(0, cancelled);

const CALL = "/pulumirpc.ResourceProvider/Cancel";

subscribe("http2.server.stream.start", (message) => {
    const { headers } = message as { headers?: Record<string, unknown> };
    if (headers?.[":path"] === CALL) {
        controller.abort(new Cancelled());
    }
});

/** Cancels all waits and requests; for commands, which run without an engine. @param message error text of each */
export function cancel(message?: string): void {
    controller.abort(new Cancelled(message));
}
