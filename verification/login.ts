import { randomBytes } from "node:crypto";
import mqtt from "mqtt";
import type { IClientOptions, MqttClient } from "mqtt";
import { describe, nameOf, trustOf } from "./handshake.ts";
import type { Target } from "./target.ts";

/** The broker's answer to a CONNECT, or the lack of one. */
export type Login =
    | { kind: "accepted"; client: MqttClient }
    | { kind: "refused"; detail: string }
    | { kind: "failed"; detail: string };

export interface Credentials {
    username?: string;
    password?: string;
    /** The client's certificate and key, in PEM. */
    cert?: string;
    key?: string;
}

/** Reason codes of a CONNECT refused for its credentials: MQTT 3.1.1 section 3.2.2.3. */
const NOT_AUTHORISED = new Map([
    [4, "bad user name or password"],
    [5, "not authorized"],
]);

/**
 * Logs in over TLS or WebSockets as MQTT clients do, with a session that ends with the connection. Only
 * the broker's refusal of the credentials counts as `refused`; a broken connection, a missing answer
 * and any other refusal are `failed`.
 */
export function logIn(
    target: Target,
    credentials: Credentials,
    timeoutMs: number,
    over: "mqtt" | "webSockets" = "mqtt",
): Promise<Login> {
    return new Promise((resolve) => {
        const client = mqtt.connect({
            ...(over === "mqtt" ? byMqtt(target) : byWebSockets(target)),
            host: target.address,
            rejectUnauthorized: true,
            protocolVersion: 4,
            clean: true,
            clientId: `verify-${randomBytes(6).toString("hex")}`,
            reconnectPeriod: 0,
            connectTimeout: timeoutMs,
            ...credentials,
        });
        const give = (login: Login) => {
            if (login.kind !== "accepted") client.end(true);
            resolve(login);
        };
        client.once("connect", () => give({ kind: "accepted", client }));
        // The listener stays for the client's life: an error after the login shows up in the operation
        // that waits.
        client.on("error", (error: Error & { code?: number | string }) => {
            if (typeof error.code === "number") {
                const detail = NOT_AUTHORISED.get(error.code);
                if (detail !== undefined) give({ kind: "refused", detail });
                else give({ kind: "failed", detail: `the broker answered: ${error.message}` });
            } else if (error.message === "connack timeout") {
                const detail = `no answer to CONNECT within ${timeoutMs / 1000} s`;
                give({ kind: "failed", detail });
            } else {
                give({ kind: "failed", detail: describe(error as NodeJS.ErrnoException) });
            }
        });
        client.once("close", () =>
            give({ kind: "failed", detail: "the connection closed without an answer to CONNECT" }),
        );
    });
}

function byMqtt(target: Target): IClientOptions {
    const { port, tls } = target;
    return { protocol: "mqtts", port, ...nameOf(target), ...trustOf(tls, target) };
}

/** Dials the address, and sends the name in SNI and in HTTP's Host header. */
function byWebSockets(target: Target): IClientOptions {
    const { port, tls } = target.webSockets!;
    const wsOptions = {
        ...nameOf(target),
        ...trustOf(tls, target),
        headers: { host: port === 443 ? target.hostname : `${target.hostname}:${port}` },
    };
    return { protocol: "wss", port, path: "/mqtt", wsOptions };
}
