/** Checks how clients reach the broker: addresses, host names, TLS, WebSockets and their ports. */
import type { Values } from "./schema.ts";
import { edgeNameProblem } from "./serverNames.ts";

type AccessSettings = Pick<
    Values,
    | "tls"
    | "webSockets"
    | "port"
    | "webSocketsPort"
    | "ipv4"
    | "ipv6"
    | "sharedIpv4"
    | "connectBy"
    | "hostnames"
>;

/** External port of MQTT over WebSockets: the setting, or a default by where TLS ends. */
export function webSocketsPortOf({
    webSockets,
    webSocketsPort,
}: Pick<AccessSettings, "webSockets" | "webSocketsPort">): number {
    return webSocketsPort ?? (webSockets === "broker" ? 8443 : 443);
}

/** Tells whether any port presents the broker's own certificate. */
export function endsInBroker({ tls, webSockets }: Pick<AccessSettings, "tls" | "webSockets">) {
    return tls === "broker" || webSockets === "broker";
}

/** @returns one line per mistake */
export function accessProblems(data: AccessSettings): string[] {
    const problems: string[] = [];
    const edge = data.tls === "edge" || data.webSockets === "edge";
    const own = data.ipv4 || data.ipv6;
    if (!own && !data.sharedIpv4) {
        problems.push("ipv6, ipv4: both are false, so no client could reach the broker");
    }
    if (data.sharedIpv4 && !edge) {
        problems.push(
            "sharedIpv4: works only where Fly's edge ends TLS (tls: edge, or webSockets: edge); TLS that " +
                "ends in the broker needs ipv4 or ipv6",
        );
    } else if (!own && data.sharedIpv4) {
        for (const key of ["tls", "webSockets"] as const) {
            if (data[key] !== "broker") continue;
            problems.push(`${key}: is broker, which needs ipv4 or ipv6; only sharedIpv4 is true`);
        }
    }
    if (data.webSockets === "off" && data.webSocketsPort !== undefined) {
        problems.push(
            `webSocketsPort: has no use while webSockets is off; it is ${data.webSocketsPort}`,
        );
    }
    if (data.webSockets !== "off" && webSocketsPortOf(data) === data.port) {
        problems.push(`webSocketsPort: must differ from port; both are ${data.port}`);
    }
    if (data.tls === "edge" && data.connectBy === "address") {
        problems.push(
            "connectBy: must be hostname with tls: edge, since Fly's certificate covers names only",
        );
    }
    if (edge) {
        const which = data.tls === "edge" ? "tls: edge" : "webSockets: edge";
        for (const [at, hostname] of data.hostnames.entries()) {
            const problem = edgeNameProblem(hostname);
            if (problem === undefined) continue;
            problems.push(
                `hostnames.${at}: ${problem}; with ${which} Fly issues a certificate for each host name`,
            );
        }
    }
    return problems;
}
