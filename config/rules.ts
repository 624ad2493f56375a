/** Rules that need more than one setting. */
import type { z } from "zod";
import { limitProblems, limitsOf, volumeNeedMb, type Limits } from "../broker/limits.ts";
import { guestProblems } from "../providers/fly/rules.ts";
import { accessProblems } from "./access.ts";
import { isOf20 } from "./baseImage.ts";
import { deviceProblems } from "./devices.ts";
import type { schema } from "./schema.ts";

type Data = z.output<typeof schema>;

/**
 * @param data those settings that are well-formed, each by itself; of rules that need another one
 *     nothing is said
 * @returns one line a mistake
 */
export function acrossSettings(data: Partial<Data>): string[] {
    return RULES.flatMap((rule) => rule(data));
}

/** Settings' names of the broker's limits. */
const LIMITS = {
    memoryMb: "memoryLimitMb",
    connections: "maxConnections",
    packetBytes: "maxPacketBytes",
    queuedMessages: "maxQueuedMessages",
    queuedBytes: "maxQueuedBytes",
    inflightMessages: "maxInflightMessages",
    keepaliveSeconds: "maxKeepaliveSeconds",
    sessionExpiryDays: "sessionExpiryDays",
} as const satisfies Record<keyof Limits, string>;

type LimitSettings = Pick<Data, "memoryMb" | (typeof LIMITS)[keyof Limits]>;

/** What is set, and for the rest what goes with the machine's memory. */
export function limitsIn(data: LimitSettings): Limits {
    const limits = limitsOf(data.memoryMb);
    for (const [limit, key] of Object.entries(LIMITS)) {
        limits[limit as keyof Limits] = data[key] ?? limits[limit as keyof Limits];
    }
    return limits;
}

const GUEST = ["cpuKind", "cpus", "memoryMb"] as const;

const RULES = [
    over(GUEST, (data) => guestIn(data).map((problem) => `${GUEST.join(", ")}: ${problem}`)),
    over(
        [
            ...(["tls", "webSockets", "port", "webSocketsPort", "ipv4", "ipv6"] as const),
            ...(["sharedIpv4", "connectBy", "hostnames"] as const),
        ],
        accessProblems,
    ),
    // 2.1's own WebSockets write beyond the heap for anybody; 2.0 has libwebsockets (docs/malformed.md).
    over(["webSockets", "baseImage"], ({ webSockets, baseImage }) => {
        if (webSockets === "off" || isOf20(baseImage)) return [];
        return [
            "webSockets: must be off unless baseImage is by its tag of Mosquitto 2.0, which is not affected, as " +
                "eclipse-mosquitto:2.0.22: in 2.1.2 one frame from anybody, before login, writes beyond the " +
                "broker's memory and ends it (docs/malformed.md). 2.0 does not read data that 2.1 keeps in its " +
                "own format: it puts them aside in the volume and starts without; " +
                `webSockets is ${webSockets}, baseImage ${baseImage}`,
        ];
    }),
    over([...GUEST, ...Object.values(LIMITS)], (data) => {
        if (guestIn(data).length > 0) return [];
        const limits = limitsIn(data);
        return limitProblems(limits, data.memoryMb).map(
            ({ key, problem }) => `${LIMITS[key]}: ${problem}; it is ${limits[key]}`,
        );
    }),
    over([...GUEST, ...Object.values(LIMITS), "volumeSizeGb"], (data) => {
        const limits = limitsIn(data);
        const needMb = volumeNeedMb(limits);
        if (guestIn(data).length > 0 || needMb <= data.volumeSizeGb * 1024) return [];
        return [
            `volumeSizeGb: ${limits.memoryMb} MB of messages (memoryLimitMb) may take ${needMb} MB ` +
                `of the volume, and on a full one the broker is down; it is ${data.volumeSizeGb}`,
        ];
    }),
    over(["users", "everyone", "clientIds"], ({ users, everyone, clientIds }) => {
        const pattern = Object.values(everyone)
            .flat()
            .find((filter) => filter.includes("%c"));
        const named = users.find(({ name }) => name.includes("/"));
        if (clientIds === "any" || pattern === undefined || named === undefined) return [];
        return [
            `clientIds: is user, which makes ${JSON.stringify(pattern)} in everyone one of the user's name, and ` +
                `Mosquitto 2.1 grants nothing by it to "${named.name}", for its /; write %u instead of %c`,
        ];
    }),
    over(["import", "appName"], ({ import: { app }, appName }) => {
        if (app === undefined || app === appName) return [];
        return [
            `import.app: must be appName (${appName ?? "not set"}), which is the app that is used; it is "${app}"`,
        ];
    }),
    over(["import", "ipv4", "ipv6"], (data) =>
        (["v4", "v6"] as const)
            .filter((type) => data.import[type] !== undefined && !data[`ip${type}`])
            .map((type) => `import.${type}: is for an address, but ip${type} is false`),
    ),
    over(["import", "volumeSnapshot"], ({ import: { volume }, volumeSnapshot }) => {
        if (volume === undefined || volumeSnapshot === undefined) return [];
        return [
            `volumeSnapshot: is for a volume that is made, but import.volume (${volume}) takes one that is ` +
                `there; it is "${volumeSnapshot}"`,
        ];
    }),
    over(["certificateRenewDays", "certificateValidDays"], (data) => {
        if (data.certificateRenewDays < data.certificateValidDays) return [];
        return [
            `certificateRenewDays: must be below certificateValidDays (${data.certificateValidDays}), ` +
                `or every up would renew; it is ${data.certificateRenewDays}`,
        ];
    }),
    over(
        [
            ...(["users", "devices", "clientCertificates", "clientCertificatePort"] as const),
            ...(["tls", "port", "webSockets", "webSocketsPort"] as const),
        ],
        deviceProblems,
    ),
    over(["caTrusted", "caIssuer"], ({ caTrusted, caIssuer }) => {
        if (caTrusted.includes(caIssuer)) return [];
        return [
            `caIssuer: must be in caTrusted (${caTrusted.join(", ")}), or no client would trust ` +
                `what it signs; it is ${caIssuer}`,
        ];
    }),
];

/** A rule that speaks only where each of these settings is well-formed. */
function over<Key extends keyof Data>(
    keys: readonly Key[],
    problems: (data: Pick<Data, Key>) => string[],
): (data: Partial<Data>) => string[] {
    return (data) =>
        keys.every((key) => Object.hasOwn(data, key)) ? problems(data as Pick<Data, Key>) : [];
}

function guestIn({ cpuKind, cpus, memoryMb }: Pick<Data, (typeof GUEST)[number]>): string[] {
    return guestProblems({ cpu_kind: cpuKind, cpus, memory_mb: memoryMb });
}
