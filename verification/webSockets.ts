import { logIn } from "./login.ts";
import { roundTrip } from "./roundTrip.ts";
import type { Target } from "./target.ts";

/** Result of MQTT over WebSockets; `detail` says what failed. */
export type WebSocketTrip = { kind: "returned" } | { kind: "failed"; detail: string };

/** Logs in over WebSockets, checking the certificate, and sends a message to itself. */
export async function webSocketTrip(
    target: Target,
    username: string,
    password: string,
    timeoutMs: number,
): Promise<WebSocketTrip> {
    const login = await logIn(target, { username, password }, timeoutMs, "webSockets");
    if (login.kind !== "accepted") {
        return { kind: "failed", detail: `${login.kind}: ${login.detail}` };
    }
    const trip = await roundTrip(login.client, timeoutMs);
    await login.client.endAsync(trip.kind === "lost");
    return trip.kind === "lost" ? { kind: "failed", detail: trip.detail } : trip;
}
