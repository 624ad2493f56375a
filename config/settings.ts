/**
 * Parses a stack's config into validated settings. Finds every mistake before anything is declared, and lists
 * all of them at once, each with its key, the rule and the value.
 */
import type { z } from "zod";
import type { Access, Grants } from "../broker/acl.ts";
import type { BrokerConf } from "../broker/conf.ts";
import { webSocketsPortOf } from "./access.ts";
import { FLY_LOGS, FLY_MACHINES } from "./defaults.ts";
import { certificatePortOf } from "./devices.ts";
import { checkAccess } from "./grants.ts";
import { parsePasswords } from "./passwords.ts";
import { crossSettingProblems, limitsIn } from "./rules.ts";
import { MESSAGE_INCLUDES_VALUE, schema, type Values } from "./schema.ts";
import { withoutEffect } from "./withoutEffect.ts";

export interface Settings {
    /** Fly app name; undefined to generate one from project and stack and keep it in the state. */
    appName: string | undefined;
    /** Fly organisation's slug. */
    organization: string;
    /** Fly region code of volume and machine, e.g. `lhr`. A change replaces both. */
    region: string;
    ports: Ports;
    users: User[];
    /** Grants of every user, besides its own. */
    everyone: Grants;
    volume: VolumeSettings;
    machineName: string;
    /** IDs of existing objects to import; read when each is created. */
    imports: Values["import"];
    guest: Pick<Values, "cpuKind" | "cpus" | "memoryMb">;
    /** Dedicated addresses, and Fly's shared IPv4, which routes by name where Fly ends TLS. */
    addresses: Pick<Values, "ipv6" | "ipv4" | "sharedIpv4">;
    /** Whether the commands for clients name `APP.fly.dev` or the address that Fly assigned. */
    connectBy: Values["connectBy"];
    /** Names and IP addresses in the server certificate, besides the app's own. */
    hostnames: string[];
    /** Days that a certificate is valid, and days before its end from which `up` renews it or warns. */
    certificate: { validDays: number; renewDays: number; warnDays: number };
    /** CA generations that clients trust, one or two, and the one that signs. */
    authorities: { trusted: number[]; issuer: number };
    /** Whether an `up` may lock clients out by a new CA or a new app name. */
    clientsShutOut: Values["clientsShutOut"];
    baseImage: string;
    /** Whether Fly collects the monitor's metrics. */
    metrics: boolean;
    /** Settings of mosquitto.conf. */
    broker: BrokerConf;
    /** Base of the Machines API, without `/v1`. */
    endpoint: string;
    /** Base of the API with machine logs, for errors. */
    logsEndpoint: string;
    /** Host (and port) of the registry that the image is pushed to. */
    registry: string;
    /** Warnings about valid but ineffective settings. */
    warnings: string[];
    /** File or component that has the settings, for errors: `Pulumi.dev.yaml`, `MosquittoBroker "eu"`. */
    place: string;
}

/** External ports. */
export interface Ports {
    mqtt: number;
    /** Unused where `broker.webSockets` is off. */
    webSockets: number;
    /** For clients with certificates; unused unless `broker.clientCertificates` is optional. */
    certificates: number;
}

export interface VolumeSettings {
    name: string;
    /** Gigabytes; grows in place, never shrinks. */
    sizeGb: number;
    /** Whether the data, and what clients need to connect, are protected from deletion. */
    protect: boolean;
    /** Pulumi's `retainOnDelete`: `destroy` leaves the volume and its app on Fly. */
    retain: boolean;
    /** How a replacement of the volume treats the data. */
    onReplace: Values["volumeReplacement"];
    /** ID of the snapshot to create the volume from; read at create. */
    snapshotId: string | undefined;
    /** Days that Fly keeps a snapshot, 1 to 60. */
    snapshotRetentionDays: number;
}

export interface User extends Access {
    /** Password from the secret setting `passwords`; undefined to generate one and keep it. */
    password: string | undefined;
    /** Whether it logs in with a certificate; nobody gets its password. */
    certificate: boolean;
}

/** Everything that is wrong with a stack's settings; `problems` has one line per mistake. */
export class SettingsError extends Error {
    readonly problems: string[];
    constructor(place: string, problems: string[]) {
        const count = problems.length === 1 ? "One setting is" : `${problems.length} settings are`;
        super(
            `${count} wrong (${place}); nothing was changed:\n` +
                problems.map((problem) => `  - ${problem}`).join("\n"),
        );
        this.name = "SettingsError";
        this.problems = problems;
    }
}

const SECRET_KEYS = ["passwords"];

/**
 * Parses and checks all settings.
 *
 * @param raw setting's name → value as Pulumi passes it: structured ones as JSON text, secrets in clear
 * @param place file or component that has the settings, for errors
 * @param found problems found already
 * @throws SettingsError with all mistakes
 */
export function parseSettings(
    raw: Readonly<Record<string, string>>,
    place: string,
    found: readonly string[] = [],
): Settings {
    const problems = [...found];
    const known = [...Object.keys(schema.shape), ...SECRET_KEYS];
    for (const key of Object.keys(raw)) {
        if (!known.includes(key)) {
            problems.push(`${key}: is not a setting; the settings are ${known.join(", ")}`);
        }
    }
    const { passwords: rawPasswords, ...plain } = raw;
    const { data: wellFormed, issues } = parseEach({ ...plain, users: raw.users ?? "[]" });
    for (const issue of issues) {
        const [key = "", ...inner] = issue.path.map(String);
        const includesValue = issue.code === "custom" && issue.params === MESSAGE_INCLUDES_VALUE;
        const value = includesValue ? "" : `; it is ${seen(raw[key], inner)}`;
        problems.push(`${[key, ...inner].join(".")}: ${issue.message}${value}`);
    }
    const { users, everyone, devices } = wellFormed;
    const names = users?.map(({ name }) => name);
    const passwords = parsePasswords(
        rawPasswords,
        names,
        wellFormed.passwordStrength ?? 0,
        problems,
    );
    const access = users && everyone && checkAccess(users, everyone);
    problems.push(...(access?.errors ?? []), ...crossSettingProblems(wellFormed));
    for (const name of (devices ?? []).filter((device) => passwords.has(device))) {
        problems.push(`passwords.${name}: is set for a user that logs in with a certificate`);
    }
    if (problems.length > 0) throw new SettingsError(place, problems);

    // Without an issue, all of them are there.
    const data = wellFormed as Values;
    const { cpuKind, cpus, memoryMb, ipv6, ipv4, certificateValidDays, certificateRenewDays } =
        data;
    return {
        appName: data.appName,
        organization: data.organization,
        region: data.region,
        ports: {
            mqtt: data.port,
            webSockets: webSocketsPortOf(data),
            certificates: certificatePortOf(data),
        },
        users: data.users.map((user) => ({
            ...user,
            password: passwords.get(user.name),
            certificate: data.devices.includes(user.name),
        })),
        everyone: data.everyone,
        volume: {
            name: data.volumeName,
            sizeGb: data.volumeSizeGb,
            protect: data.protectVolume,
            retain: data.retainVolume,
            onReplace: data.volumeReplacement,
            snapshotId: data.volumeSnapshot,
            snapshotRetentionDays: data.snapshotRetentionDays,
        },
        machineName: data.machineName,
        imports: data.import,
        guest: { cpuKind, cpus, memoryMb },
        addresses: { ipv6, ipv4, sharedIpv4: data.sharedIpv4 },
        connectBy: data.connectBy,
        hostnames: data.hostnames,
        certificate: {
            validDays: certificateValidDays,
            renewDays: certificateRenewDays,
            warnDays: data.expiryWarningDays,
        },
        authorities: { trusted: data.caTrusted, issuer: data.caIssuer },
        clientsShutOut: data.clientsShutOut,
        baseImage: data.baseImage,
        metrics: data.metrics,
        broker: {
            retained: data.retainedMessages,
            tls: data.tls,
            webSockets: data.webSockets,
            limits: limitsIn(data),
            clientIds: data.clientIds,
            clientCertificates: data.clientCertificates,
        },
        endpoint: data.endpoint.replace(/\/+$/, ""),
        logsEndpoint: data.logsEndpoint ?? logsEndpointOf(data.endpoint),
        registry: data.registry,
        place,
        warnings: [...(access?.warnings ?? []), ...withoutEffect(data, new Set(Object.keys(raw)))],
    };
}

/**
 * Parses each setting alone, so that a malformed one hides no mistake in others.
 * @returns data without the malformed settings, and issues with the setting's name first in their path
 */
function parseEach(raw: Readonly<Record<string, string>>) {
    const issues: z.core.$ZodIssue[] = [];
    const each = Object.entries(schema.shape).flatMap(([key, rule]) => {
        const { success, data, error } = rule.safeParse(raw[key]);
        if (success) return [[key, data] as const];
        issues.push(...error.issues.map((issue) => ({ ...issue, path: [key, ...issue.path] })));
        return [];
    });
    return { data: Object.fromEntries(each) as Partial<Values>, issues };
}

/** Derives the logs' endpoint: Fly has its own host for logs, others serve them beside the machines. */
function logsEndpointOf(endpoint: string): string {
    return new URL(endpoint).origin === FLY_MACHINES ? FLY_LOGS : endpoint;
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
