/** Rules that need more than one setting. */
import type { z } from "zod";
import { limitProblems, limitsOf, volumeNeedMb, type Limits } from "../broker/limits.ts";
import { guestProblems } from "../providers/fly/rules.ts";
import { accessProblems } from "./access.ts";
import { deviceProblems } from "./devices.ts";
import type { schema } from "./schema.ts";

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

/** What is set, and for the rest what goes with the machine's memory. */
export function limitsIn(data: z.output<typeof schema>): Limits {
    const limits = limitsOf(data.memoryMb);
    for (const [limit, key] of Object.entries(LIMITS)) {
        limits[limit as keyof Limits] = data[key] ?? limits[limit as keyof Limits];
    }
    return limits;
}

/** One line a mistake. */
export function acrossSettings(data: z.output<typeof schema>): string[] {
    const problems: string[] = [];
    const { cpuKind: cpu_kind, cpus, memoryMb: memory_mb } = data;
    const guest = guestProblems({ cpu_kind, cpus, memory_mb });
    problems.push(...guest.map((problem) => `cpuKind, cpus, memoryMb: ${problem}`));
    problems.push(...accessProblems(data), ...webSocketProblems(data));
    if (guest.length === 0) {
        const limits = limitsIn(data);
        for (const { key, problem } of limitProblems(limits, memory_mb)) {
            problems.push(`${LIMITS[key]}: ${problem}; it is ${limits[key]}`);
        }
        const needMb = volumeNeedMb(limits);
        if (needMb > data.volumeSizeGb * 1024) {
            problems.push(
                `volumeSizeGb: ${limits.memoryMb} MB of messages (memoryLimitMb) may take ${needMb} MB ` +
                    `of the volume, and a full one loses them; it is ${data.volumeSizeGb}`,
            );
        }
    }
    const { app } = data.import;
    if (app !== undefined && app !== data.appName) {
        problems.push(
            `import.app: must be appName (${data.appName ?? "not set"}), which is the app that is used; it is "${app}"`,
        );
    }
    for (const type of ["v4", "v6"] as const) {
        if (data.import[type] !== undefined && !data[`ip${type}`]) {
            problems.push(`import.${type}: is for an address, but ip${type} is false`);
        }
    }
    if (data.certificateRenewDays >= data.certificateValidDays) {
        problems.push(
            `certificateRenewDays: must be below certificateValidDays (${data.certificateValidDays}), ` +
                `or every up would renew; it is ${data.certificateRenewDays}`,
        );
    }
    problems.push(...deviceProblems(data));
    if (!data.caTrusted.includes(data.caIssuer)) {
        problems.push(
            `caIssuer: must be in caTrusted (${data.caTrusted.join(", ")}), or no client would trust ` +
                `what it signs; it is ${data.caIssuer}`,
        );
    }
    return problems;
}

/** Images of Mosquitto 2.0, as far as a tag tells: one without the number, as `openssl`, can move on. */
const OF_2_0 = /:2\.0([.-][^:/]*)?$/;

/** 2.1's own WebSockets write beyond the heap for anybody; 2.0 has libwebsockets (docs/malformed.md). */
function webSocketProblems({ webSockets, baseImage }: z.output<typeof schema>): string[] {
    if (webSockets === "off" || OF_2_0.test(baseImage.replace(/@.*/, ""))) return [];
    return [
        "webSockets: must be off unless baseImage is by its tag of Mosquitto 2.0, which is not affected, as " +
            "eclipse-mosquitto:2.0.22: in 2.1.2 one frame from anybody, before login, writes beyond the " +
            "broker's memory and ends it (docs/malformed.md). 2.0 does not read data that 2.1 keeps in its " +
            "own format: it puts them aside in the volume and starts without; " +
            `webSockets is ${webSockets}, baseImage ${baseImage}`,
    ];
}
