/**
 * Checks of who may log in and what a client may do. Each returns what was done, or throws what it saw
 * instead.
 */
import type { MqttClient } from "mqtt";
import { tryForbiddenTopics } from "./grants.ts";
import { logIn } from "./login.ts";
import type { Credentials } from "./login.ts";
import { roundTrip } from "./roundTrip.ts";
import type { Target } from "./target.ts";
import { Unexpected } from "./unexpected.ts";
import { webSocketTrip } from "./webSockets.ts";

export async function checkRoundTrip(
    target: Target,
    as: Credentials,
    timeout: number,
): Promise<string> {
    const client = await mustLogIn(target, as, timeout);
    const trip = await roundTrip(client, timeout);
    await client.endAsync(trip.kind === "lost");
    if (trip.kind === "lost") throw new Unexpected("the published message back", trip.detail);
    return `${target.verifier.username} subscribed, published at QoS 1 and got the message back`;
}

export async function checkGrants(
    target: Target,
    as: Credentials,
    timeout: number,
): Promise<string> {
    const { username } = target.verifier;
    const client = await mustLogIn(target, as, timeout);
    const proof = await tryForbiddenTopics(client, timeout);
    await client.endAsync(proof.kind === "broken");
    if (proof.kind === "broken") {
        throw new Unexpected(`nothing that ${username} is not granted`, proof.detail);
    }
    return `${username} could not read, write or see $SYS where it is not granted`;
}

export async function checkLogin(
    target: Target,
    as: Credentials,
    timeout: number,
): Promise<string> {
    await (await mustLogIn(target, as, timeout)).endAsync();
    return `${as.username} logged in`;
}

async function mustLogIn(target: Target, as: Credentials, timeout: number): Promise<MqttClient> {
    const login = await logIn(target, as, timeout);
    if (login.kind === "accepted") return login.client;
    const name = as.username ?? target.verifier.username;
    throw new Unexpected(`${name} to be let in`, `${login.kind}: ${login.detail}`);
}

export async function checkLoginRefused(
    target: Target,
    as: Credentials,
    how: string,
    timeout: number,
    over?: "webSockets",
): Promise<string> {
    const login = await logIn(target, as, timeout, over);
    if (login.kind === "refused") return `refused ${how} (${login.detail})`;
    if (login.kind === "accepted") login.client.end(true);
    const seen = login.kind === "accepted" ? "accepted" : login.detail;
    throw new Unexpected(`CONNACK "not authorized" ${how}`, seen);
}

export async function checkWebSockets(target: Target, timeout: number): Promise<string> {
    const { username, password } = target.verifier;
    const trip = await webSocketTrip(target, username, password, timeout);
    const { port } = target.webSockets!;
    if (trip.kind === "failed") {
        throw new Unexpected(`the published message back over wss on port ${port}`, trip.detail);
    }
    return `${username} got a message back over wss on port ${port}`;
}
