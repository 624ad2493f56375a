/**
 * Stack config → plain, validated settings. Every mistake is found before anything is declared, and
 * all of them are listed at once, each with its key, the rule and the value seen.
 */
import type { z } from "zod";
import type { Access, Grants } from "../broker/acl.ts";
import type { BrokerConf } from "../broker/conf.ts";
import { limitProblems, limitsOf, type Limits } from "../broker/limits.ts";
import { guestProblems } from "../providers/fly/rules.ts";
import { passwordProblem } from "../providers/kept/password.ts";
import { accessProblems, webSocketsPortOf } from "./access.ts";
import { checkAccess } from "./grants.ts";
import { FLY_LOGS, FLY_MACHINES, passwordsSchema, SAYS_ALL, schema } from "./schema.ts";

export interface Settings {
    /** Fly app name; undefined: one is made from project and stack and kept in the state. */
    appName: string | undefined;
    /** Fly organisation's slug. */
    organization: string;
    /** Fly region code of volume and machine, e.g. `lhr`. A change replaces both. */
    region: string;
    /** External TCP port of the broker. */
    port: number;
    /** External port of MQTT over WebSockets, where `broker.webSockets` is not off. */
    webSocketsPort: number;
    users: User[];
    /** What each user may do besides what is granted to it. */
    everyone: Grants;
    volume: VolumeSettings;
    machineName: string;
    /** What is there already and is taken over instead of made: read when each is first made. */
    imports: Imports;
    guest: { cpuKind: "shared" | "performance"; cpus: number; memoryMb: number };
    /** Those of its own, and Fly's shared IPv4, which leads in by name where Fly ends TLS. */
    addresses: { ipv6: boolean; ipv4: boolean; sharedIpv4: boolean };
    /** What the commands for clients name: `APP.fly.dev`, or the address that Fly assigned. */
    connectBy: "hostname" | "address";
    /** Names that the server certificate carries beside the app's own. */
    hostnames: string[];
    /** Days that a server certificate is valid, and days before its end when `up` renews it or warns. */
    certificate: { validDays: number; renewDays: number; warnDays: number };
    /** Generations of the CA that clients trust, one or two, and the one that signs. */
    authorities: { trusted: number[]; issuer: number };
    /** Whether clients log in with certificates; optional: at a port of their own. */
    clientCertificates: { mode: "off" | "optional" | "required"; port: number };
    baseImage: string;
    /** What mosquitto.conf is rendered from. */
    broker: BrokerConf;
    /** Base of the Machines API, without `/v1`. */
    endpoint: string;
    /** Base of the API that has the machines' log, for errors. */
    logsEndpoint: string;
    /** Host (and port) of the registry that the image is pushed to. */
    registry: string;
    /** What is no mistake, but does not do what it seems to. */
    warnings: string[];
}

export interface VolumeSettings {
    name: string;
    /** Gigabytes; grows in place, never shrinks. */
    sizeGb: number;
    /** Pulumi's `protect`: it can't be deleted until this is off. */
    protect: boolean;
    /** Pulumi's `retainOnDelete`: `destroy` leaves it, and the app that it is in, on Fly. */
    retain: boolean;
    /** What happens to the data where a change replaces the volume. */
    onReplace: "refuse" | "restore" | "discard";
    /** ID of the snapshot that it is made from; read when it is made. */
    snapshotId: string | undefined;
    /** Days that Fly keeps a snapshot, 1 to 60. */
    snapshotRetentionDays: number;
}

/** Fly's IDs: the app's name, an IP address, `vol_…`, a machine's ID. */
export interface Imports {
    app?: string | undefined;
    v4?: string | undefined;
    v6?: string | undefined;
    volume?: string | undefined;
    machine?: string | undefined;
}

export interface User extends Access {
    /** Given in the secret config `passwords`; undefined: one is generated and kept. */
    password: string | undefined;
    /** Logs in with a certificate; its password is nobody's. */
    certificate: boolean;
}

/** All that is wrong with a stack's settings. `problems` has one line a mistake. */
export class SettingsError extends Error {
    readonly problems: string[];
    constructor(stack: string, problems: string[]) {
        const count = problems.length === 1 ? "One setting is" : `${problems.length} settings are`;
        super(
            `${count} wrong (Pulumi.${stack}.yaml); nothing was changed:\n` +
                problems.map((problem) => `  - ${problem}`).join("\n"),
        );
        this.name = "SettingsError";
        this.problems = problems;
    }
}

const SECRET_KEYS = ["passwords"];

/**
 * @param raw the stack's config of this project, keys without the namespace, values as Pulumi
 *     hands them over (structured ones as JSON text, secrets in clear)
 * @throws SettingsError with all mistakes
 */
export function parseSettings(raw: Readonly<Record<string, string>>, stack: string): Settings {
    const problems: string[] = [];
    const known = [...Object.keys(schema.shape), ...SECRET_KEYS];
    for (const key of Object.keys(raw)) {
        if (!known.includes(key)) {
            problems.push(`${key}: is not a setting; there are ${known.join(", ")}`);
        }
    }
    const { passwords: rawPasswords, ...plain } = raw;
    const parsed = schema.safeParse({ ...plain, users: raw.users ?? "[]" });
    if (!parsed.success) {
        for (const issue of parsed.error.issues) {
            const [key, ...inner] = issue.path.map(String);
            const place = [key, ...inner].join(".");
            const saysAll = issue.code === "custom" && issue.params === SAYS_ALL;
            const value = saysAll ? "" : `; it is ${seen(raw[key ?? ""], inner)}`;
            problems.push(`${place}: ${issue.message}${value}`);
        }
    }
    const users = schema.shape.users.safeParse(raw.users).data;
    const everyone = schema.shape.everyone.safeParse(raw.everyone).data;
    const names = users?.map(({ name }) => name);
    const passwords = parsePasswords(rawPasswords, names, problems);
    const access = users && everyone && checkAccess(users, everyone);
    problems.push(...(access?.errors ?? []));
    if (parsed.success) {
        problems.push(...acrossSettings(parsed.data));
        for (const name of parsed.data.devices.filter((device) => device in passwords)) {
            problems.push(`passwords.${name}: is for a user that logs in with a certificate`);
        }
    }
    if (!parsed.success || problems.length > 0) throw new SettingsError(stack, problems);

    const { cpuKind, cpus, memoryMb, ipv6, ipv4, certificateValidDays, certificateRenewDays } =
        parsed.data;
    return {
        appName: parsed.data.appName,
        organization: parsed.data.organization,
        region: parsed.data.region,
        port: parsed.data.port,
        webSocketsPort: webSocketsPortOf(parsed.data),
        users: parsed.data.users.map((user) => ({
            ...user,
            password: passwords[user.name],
            certificate: parsed.data.devices.includes(user.name),
        })),
        everyone: parsed.data.everyone,
        volume: {
            name: parsed.data.volumeName,
            sizeGb: parsed.data.volumeSizeGb,
            protect: parsed.data.protectVolume,
            retain: parsed.data.retainVolume,
            onReplace: parsed.data.volumeReplacement,
            snapshotId: parsed.data.volumeSnapshot,
            snapshotRetentionDays: parsed.data.snapshotRetentionDays,
        },
        machineName: parsed.data.machineName,
        imports: parsed.data.import,
        guest: { cpuKind, cpus, memoryMb },
        addresses: { ipv6, ipv4, sharedIpv4: parsed.data.sharedIpv4 },
        connectBy: parsed.data.connectBy,
        hostnames: parsed.data.hostnames,
        certificate: {
            validDays: certificateValidDays,
            renewDays: certificateRenewDays,
            warnDays: parsed.data.expiryWarningDays,
        },
        authorities: { trusted: parsed.data.caTrusted, issuer: parsed.data.caIssuer },
        clientCertificates: {
            mode: parsed.data.clientCertificates,
            port: parsed.data.clientCertificatePort,
        },
        baseImage: parsed.data.baseImage,
        broker: {
            retained: parsed.data.retainedMessages,
            tls: parsed.data.tls,
            webSockets: parsed.data.webSockets,
            limits: limitsIn(parsed.data),
            clientCertificates: parsed.data.clientCertificates,
        },
        endpoint: parsed.data.endpoint.replace(/\/+$/, ""),
        logsEndpoint: parsed.data.logsEndpoint ?? logsEndpointOf(parsed.data.endpoint),
        registry: parsed.data.registry,
        warnings: access?.warnings ?? [],
    };
}

/** Fly has its logs at another host than its machines; others have all in one place. */
function logsEndpointOf(endpoint: string): string {
    return new URL(endpoint).origin === FLY_MACHINES ? FLY_LOGS : endpoint;
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

/** What is set, and for the rest what goes with the machine's memory. */
function limitsIn(data: z.output<typeof schema>): Limits {
    const limits = limitsOf(data.memoryMb);
    for (const [limit, key] of Object.entries(LIMITS)) {
        limits[limit as keyof Limits] = data[key] ?? limits[limit as keyof Limits];
    }
    return limits;
}

/** Rules that need more than one setting. */
function acrossSettings(data: z.output<typeof schema>): string[] {
    const problems: string[] = [];
    const { cpuKind: cpu_kind, cpus, memoryMb: memory_mb } = data;
    const guest = guestProblems({ cpu_kind, cpus, memory_mb });
    problems.push(...guest.map((problem) => `cpuKind, cpus, memoryMb: ${problem}`));
    problems.push(...accessProblems(data));
    if (guest.length === 0) {
        const limits = limitsIn(data);
        for (const { key, problem } of limitProblems(limits, memory_mb)) {
            problems.push(`${LIMITS[key]}: ${problem}; it is ${limits[key]}`);
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

/** Devices are users, and whoever is to connect can. */
function deviceProblems(data: z.output<typeof schema>): string[] {
    const { clientCertificates: mode, devices } = data;
    const users = data.users.map(({ name }) => name);
    const problems = devices
        .filter((name) => !users.includes(name))
        .map((name) => `devices: ${name} is not in users, which says what it may do`);
    const others = users.filter((name) => !devices.includes(name));
    if (mode === "off" && devices.length > 0) {
        problems.push("devices: log in with certificates, but clientCertificates is off");
    }
    if (mode !== "off" && devices.length === 0) {
        problems.push(`devices: must name at least one user, as clientCertificates is ${mode}`);
    }
    if (mode === "required" && others.length > 0) {
        problems.push(
            `devices: must name all users, as clientCertificates is required, or they could not ` +
                `connect; not in it: ${others.join(", ")}`,
        );
    }
    if (mode !== "off" && data.tls === "edge") {
        problems.push(
            `clientCertificates: is ${mode}, which needs tls: broker; Fly's edge asks for none`,
        );
    }
    if (mode === "required" && data.webSockets !== "off") {
        problems.push(
            "webSockets: must be off with clientCertificates: required, since they log in with passwords",
        );
    }
    if (mode === "optional" && data.clientCertificatePort === data.port) {
        problems.push(`clientCertificatePort: must not be the port of the others (${data.port})`);
    }
    return problems;
}

/** A password's text is never part of a message: its length is what can be said. */
function parsePasswords(
    raw: string | undefined,
    users: string[] | undefined,
    problems: string[],
): Record<string, string> {
    if (raw === undefined) return {};
    const parsed = passwordsSchema.safeParse(raw);
    if (!parsed.success) {
        problems.push("passwords: must be a map of user name to password; it is something else");
        return {};
    }
    for (const [user, password] of Object.entries(parsed.data)) {
        if (users !== undefined && !users.includes(user)) {
            problems.push(
                `passwords.${user}: is for a user that is not in users (${users.join(", ")})`,
            );
        }
        const problem = passwordProblem(password);
        if (problem !== undefined) problems.push(`passwords.${user}: ${problem}`);
    }
    return parsed.data;
}

function seen(value: string | undefined, inner: string[]): string {
    let part: unknown = value;
    if (value !== undefined && inner.length > 0) {
        part = JSON.parse(value);
        for (const key of inner) part = (part as Record<string, unknown> | undefined)?.[key];
    }
    if (part === undefined) return "not set";
    const text = typeof part === "string" ? part : JSON.stringify(part);
    return JSON.stringify(text.length > 80 ? `${text.slice(0, 77)}...` : text);
}
