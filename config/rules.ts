/** Rules that compare several settings. */
import { limitProblems, limitsOf, volumeNeedMb, type Limits } from "../broker/limits.ts";
import { guestProblems } from "../providers/fly/rules.ts";
import { accessProblems } from "./access.ts";
import { isMosquitto20 } from "./baseImage.ts";
import { deviceProblems } from "./devices.ts";
import type { Values } from "./schema.ts";

/**
 * Checks all rules. A rule is skipped unless all of its settings are well-formed.
 *
 * @param data the well-formed settings
 * @returns one line per mistake
 */
export function crossSettingProblems(data: Partial<Values>): string[] {
    return RULES.flatMap((rule) => rule(data));
}

/** Setting of each of the broker's limits. */
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

type LimitSettings = Pick<Values, "memoryMb" | (typeof LIMITS)[keyof Limits]>;

/** Limits as set; the others by the machine's memory. */
export function limitsIn(data: LimitSettings): Limits {
    const limits = limitsOf(data.memoryMb);
    for (const [limit, key] of Object.entries(LIMITS)) {
        limits[limit as keyof Limits] = data[key] ?? limits[limit as keyof Limits];
    }
    return limits;
}

const GUEST = ["cpuKind", "cpus", "memoryMb"] as const;

const RULES = [
    ruleOver(GUEST, (data) => guestIn(data).map((problem) => `${GUEST.join(", ")}: ${problem}`)),
    ruleOver(
        [
            ...(["tls", "webSockets", "port", "webSocketsPort", "ipv4", "ipv6"] as const),
            ...(["sharedIpv4", "connectBy", "hostnames"] as const),
        ],
        accessProblems,
    ),
    // 2.1's own WebSockets can be made to write past the heap before login; 2.0 uses libwebsockets (docs/malformed.md).
    ruleOver(["webSockets", "baseImage"], ({ webSockets, baseImage }) => {
        if (webSockets === "off" || isMosquitto20(baseImage)) return [];
        return [
            "webSockets: must be off unless the tag of baseImage names Mosquitto 2.0, which is not affected, as " +
                "eclipse-mosquitto:2.0.22: in 2.1.2 one frame, from anybody and before login, writes past the " +
                "broker's memory and crashes it (docs/malformed.md). 2.0 cannot read the data of 2.1: it moves " +
                "them aside in the volume and starts without them; " +
                `webSockets is ${webSockets}, baseImage ${baseImage}`,
        ];
    }),
    ruleOver([...GUEST, ...Object.values(LIMITS)], (data) => {
        if (guestIn(data).length > 0) return [];
        const limits = limitsIn(data);
        return limitProblems(limits, data.memoryMb).map(
            ({ key, problem }) => `${LIMITS[key]}: ${problem}; it is ${limits[key]}`,
        );
    }),
    ruleOver([...GUEST, ...Object.values(LIMITS), "volumeSizeGb"], (data) => {
        const limits = limitsIn(data);
        const needMb = volumeNeedMb(limits);
        if (guestIn(data).length > 0 || needMb <= data.volumeSizeGb * 1024) return [];
        return [
            `volumeSizeGb: ${limits.memoryMb} MB of messages (memoryLimitMb) may take ${needMb} MB ` +
                `of the volume, and a full volume stops the broker; it is ${data.volumeSizeGb}`,
        ];
    }),
    ruleOver(["users", "everyone", "clientIds"], ({ users, everyone, clientIds }) => {
        const pattern = Object.values(everyone)
            .flat()
            .find((filter) => filter.includes("%c"));
        const named = users.find(({ name }) => name.includes("/"));
        if (clientIds === "any" || pattern === undefined || named === undefined) return [];
        return [
            `clientIds: is user, so %c in ${JSON.stringify(pattern)} of everyone is the user's name, and ` +
                `Mosquitto 2.1 grants nothing by it to "${named.name}", which contains /; write %u instead of %c`,
        ];
    }),
    ruleOver(["import", "appName"], ({ import: { app }, appName }) => {
        if (app === undefined || app === appName) return [];
        return [`import.app: must equal appName (${appName ?? "not set"}); it is "${app}"`];
    }),
    ruleOver(["import", "ipv4", "ipv6"], (data) =>
        (["v4", "v6"] as const)
            .filter((type) => data.import[type] !== undefined && !data[`ip${type}`])
            .map((type) => `import.${type}: imports an address, but ip${type} is false`),
    ),
    ruleOver(["import", "volumeSnapshot"], ({ import: { volume }, volumeSnapshot }) => {
        if (volume === undefined || volumeSnapshot === undefined) return [];
        return [
            `volumeSnapshot: applies to a new volume, but import.volume (${volume}) imports an existing ` +
                `one; it is "${volumeSnapshot}"`,
        ];
    }),
    ruleOver(["certificateRenewDays", "certificateValidDays"], (data) => {
        if (data.certificateRenewDays < data.certificateValidDays) return [];
        return [
            `certificateRenewDays: must be below certificateValidDays (${data.certificateValidDays}), ` +
                `or every \`up\` would renew the certificate; it is ${data.certificateRenewDays}`,
        ];
    }),
    ruleOver(
        [
            ...(["users", "devices", "clientCertificates", "clientCertificatePort"] as const),
            ...(["tls", "port", "webSockets", "webSocketsPort"] as const),
        ],
        deviceProblems,
    ),
    ruleOver(["caTrusted", "caIssuer"], ({ caTrusted, caIssuer }) => {
        if (caTrusted.includes(caIssuer)) return [];
        return [
            `caIssuer: must be in caTrusted (${caTrusted.join(", ")}), or no client would trust ` +
                `what it signs; it is ${caIssuer}`,
        ];
    }),
];

/** A rule that runs only where each of these settings is well-formed. */
function ruleOver<Key extends keyof Values>(
    keys: readonly Key[],
    problems: (data: Pick<Values, Key>) => string[],
): (data: Partial<Values>) => string[] {
    return (data) =>
        keys.every((key) => Object.hasOwn(data, key)) ? problems(data as Pick<Values, Key>) : [];
}

function guestIn({ cpuKind, cpus, memoryMb }: Pick<Values, (typeof GUEST)[number]>): string[] {
    return guestProblems({ cpu_kind: cpuKind, cpus, memory_mb: memoryMb });
}
