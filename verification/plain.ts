import { connect } from "node:net";
import { describe } from "./handshake.ts";
import type { Target } from "./target.ts";

/** Answer to MQTT without TLS. `refused`: the port hung up or sent a TLS alert. */
export type PlainAnswer =
    { kind: "refused" } | { kind: "spoken"; detail: string } | { kind: "failed"; detail: string };

/** CONNECT of MQTT 3.1.1: clean session, no user, empty client id. */
const CONNECT = Buffer.from("100c00044d5154540402003c0000", "hex");
const CONNACK = 0x20;
const TLS_ALERT = 0x15;

/** Speaks MQTT to the port without TLS, with no credentials. */
export function speakPlain(target: Target, timeoutMs: number): Promise<PlainAnswer> {
    return new Promise((resolve) => {
        let connected = false;
        const socket = connect({ host: target.address, port: target.port });
        const end = (answer: PlainAnswer) => {
            clearTimeout(timer);
            socket.destroy();
            resolve(answer);
        };
        const timer = setTimeout(() => {
            const what = connected ? "neither an answer nor an end" : "no connection";
            end({ kind: "failed", detail: `${what} within ${timeoutMs / 1000} s` });
        }, timeoutMs);
        socket.once("connect", () => {
            connected = true;
            socket.write(CONNECT);
        });
        socket.once("data", (data) => {
            if (data[0] === TLS_ALERT) return end({ kind: "refused" });
            const what =
                data[0] === CONNACK
                    ? `CONNACK with return code ${data[3] ?? "?"}: it speaks MQTT without TLS`
                    : "an answer that is neither MQTT nor TLS";
            end({ kind: "spoken", detail: what });
        });
        // Hanging up is the refusal, however the system reports it.
        socket.once("error", (error) =>
            end(connected ? { kind: "refused" } : { kind: "failed", detail: describe(error) }),
        );
        socket.once("close", () => end({ kind: "refused" }));
    });
}
