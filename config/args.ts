/**
 * Arguments of a broker in a program: the same settings, with the same rules, as in a stack's file. An omitted one
 * takes the stack file's value (`appkata-mqtt:region`), else its default.
 */
import * as pulumi from "@pulumi/pulumi";
import { keysIn, NAMESPACE } from "./namespace.ts";
import type { Values } from "./schema.ts";
import { SettingsError } from "./settings.ts";
import type { WrittenSettings } from "./stackSettings.ts";

/**
 * Arguments of a MosquittoBroker. What a change does: *live*: the running broker takes it, and clients stay
 * connected; *restart*: the machine restarts in place, for some seconds; *replaced*: a new one is created.
 */
export interface MosquittoBrokerArgs {
    /** Users and what each may do; at least one. Live. */
    users: UserArgs[];
    /** Grants of every user, besides its own. Default: none. Live. */
    everyone?: GrantArgs;
    /** Passwords by user; must be known in a preview. Default: one is generated and kept. Live. */
    passwords?: pulumi.Input<Record<string, string>>;
    /** How hard a given password must be to guess, from 0 to 4 (zxcvbn). Default: 2. In place. */
    passwordStrength?: number;
    /** `user`: the broker sets a client's ID to its user's name. Default: `any`. Restart. */
    clientIds?: Values["clientIds"];
    /** Whether clients log in with certificates; `optional`: at a port of their own. Default: `off`. Restart. */
    clientCertificates?: Values["clientCertificates"];
    /** Users that log in with a certificate instead of a password. Default: none. Live. */
    devices?: string[];
    /** Port for `clientCertificates: "optional"`. Default: 10001. Restart. */
    clientCertificatePort?: number;

    /** Port that clients connect to. Default: 10000. Restart. */
    port?: number;
    /** Whether the app has an IPv6, which is free. Default: true. Added or released; renews the certificate. */
    ipv6?: boolean;
    /** Whether it has an IPv4, which costs $2 a month. Default: false. Added or released; renews the certificate. */
    ipv4?: boolean;
    /** Whether it has Fly's shared IPv4, for TLS that the edge ends. Default: false. Added or released. */
    sharedIpv4?: boolean;
    /** Names and IP addresses that the certificate carries beside `APP.fly.dev`. Default: none. Renews it. */
    hostnames?: string[];
    /** Who ends TLS: the broker, or Fly's proxy with a public certificate. Default: `broker`. Restart. */
    tls?: Values["tls"];
    /** MQTT over WebSockets, and who ends TLS there; needs Mosquitto 2.0. Default: `off`. Restart. */
    webSockets?: Values["webSockets"];
    /** Default: 443, or 8443 where the broker ends TLS. Restart. */
    webSocketsPort?: number;
    /** Whether the clients' commands name the broker by host name or address. Default: `hostname`. In place. */
    connectBy?: Values["connectBy"];

    /** Fly app. Default: project, stack and random characters, made once. Everything is replaced. */
    appName?: string;
    /** Fly organisation. Default: `personal`. Changes with `appName` only: everything is replaced. */
    organization?: string;
    /** Fly region of volume and machine. Default: `lhr`. Both are replaced, as `volumeReplacement` allows. */
    region?: string;
    /** Default: `mosquitto`. The machine is replaced. */
    machineName?: string;
    /** Default: `shared`. Restart. */
    cpuKind?: Values["cpuKind"];
    /** Default: 1. Restart. */
    cpus?: number;
    /** Default: 256. Restart. */
    memoryMb?: number;
    /** Mosquitto's image that the broker's is built from. Default: Mosquitto 2.1.2. Restart. */
    baseImage?: string;
    /** Whether Fly collects the broker's metrics. Default: true. Restart. */
    metrics?: boolean;
    /** IDs of existing objects to import. Default: none. Read when each is created. */
    import?: { app?: string; v4?: string; v6?: string; volume?: string; machine?: string };

    /** Default: 1. Grows in place; cannot shrink. */
    volumeSizeGb?: number;
    /** Default: `mosquitto_data`. A change is refused unless `volumeReplacement` is `discard`: the new volume is empty. */
    volumeName?: string;
    /** Whether the data, and what clients need to connect, are protected from deletion. Default: false. In place. */
    protectVolume?: boolean;
    /** Whether `pulumi destroy` leaves the volume and its app on Fly. Default: false. In the state alone. */
    retainVolume?: boolean;
    /** How a replacement of the volume, or of one that is gone, treats the data. Default: `refuse`. In place. */
    volumeReplacement?: Values["volumeReplacement"];
    /** ID of a snapshot to create the volume from. Default: none. Read when it is created. */
    volumeSnapshot?: string;
    /** Days that Fly keeps a snapshot, 1 to 60. Default: 5. In place. */
    snapshotRetentionDays?: number;

    /** Days that a server or client certificate is valid. Default: 365. Renews them. */
    certificateValidDays?: number;
    /** Days before its end from which `up` renews a certificate. Default: 30. In place. */
    certificateRenewDays?: number;
    /** Days before the end of a certificate from which preview and `up` warn. Default: 30. In place. */
    expiryWarningDays?: number;
    /** Generations of the CA that clients trust, one or two. Default: [1]. Live. */
    caTrusted?: number[];
    /** CA generation that signs. Default: 1. Live; renews certificates. */
    caIssuer?: number;
    /** Whether an `up` may lock clients out by a new CA or app name. Default: `refuse`. In place. */
    clientsShutOut?: Values["clientsShutOut"];

    /** Whether the broker takes retained messages. Default: true. Restart. */
    retainedMessages?: boolean;
    /** Heap limit of Mosquitto. Default: half of `memoryMb`. Restart. */
    memoryLimitMb?: number;
    /** Connections at once. Default: by `memoryMb`. Restart. */
    maxConnections?: number;
    /** Bytes of the largest MQTT packet. Default: by `memoryMb`. Restart. */
    maxPacketBytes?: number;
    /** Messages queued for one client. Default: 10,000. Restart. */
    maxQueuedMessages?: number;
    /** Bytes queued for one client. Default: by `memoryMb`. Restart. */
    maxQueuedBytes?: number;
    /** Unacknowledged messages to one client. Default: 20. Restart. */
    maxInflightMessages?: number;
    /** Longest keepalive that a client may ask for; 0 for any. Default: 0. Restart. */
    maxKeepaliveSeconds?: number;
    /** Days after which the session of an offline client is removed; 0 for never. Default: 0. Restart. */
    sessionExpiryDays?: number;

    /** Base of Fly's Machines API. Default: Fly's own. */
    endpoint?: string;
    /** Base of the API with machine logs. Default: Fly's own, or `endpoint` where that is set. */
    logsEndpoint?: string;
    /** Host of the image registry. Default: Fly's own. */
    registry?: string;

    /**
     * Folder, relative to the program, to which each run writes the CA's certificate as `rootCA.pem` for the two
     * commands. Default: none; save `caCertificatePem` as `rootCA.pem`, which the commands name.
     */
    certificateFolder?: string;
}

/** Granted topic filters; `%u` is the user's name, `%c` a client's ID. Everything else is denied. */
export interface GrantArgs {
    read?: string[];
    write?: string[];
    readWrite?: string[];
}

export interface UserArgs extends GrantArgs {
    name: string;
    /** Filters that the user may neither read nor write, whatever else grants them. */
    deny?: string[];
    /** Grants every topic but those that begin with `$`, to read, to write, or both. Default: false. */
    everything?: boolean | "read" | "write";
}

/**
 * Converts arguments to settings as they would be in a stack's file.
 *
 * @param broker the component's name
 * @throws SettingsError for a password that a preview does not know
 */
export async function settingsOf(
    broker: string,
    { certificateFolder, passwords, ...plain }: MosquittoBrokerArgs,
): Promise<WrittenSettings> {
    const place = `MosquittoBroker "${broker}"`;
    const known = await valueOf(passwords);
    if (passwords !== undefined && known === undefined) {
        throw new SettingsError(place, [
            "passwords: must be known in a preview, so they cannot be another resource's outputs",
        ]);
    }
    const all = Object.entries({ ...plain, passwords: known });
    const set = all.filter(([, value]) => value !== undefined);
    return {
        raw: {
            ...keysIn(pulumi.runtime.allConfig(), NAMESPACE),
            ...Object.fromEntries(set.map(([key, value]) => [key, textOf(value)])),
        },
        problems: [],
        place,
        folder: certificateFolder,
        ownsStack: false,
    };
}

/** Rewrites commands that set a key of a stack's file as arguments of the component: `protectVolume: false`. */
export function asArguments(problems: string): string {
    return problems.replace(/`pulumi config set (?:[\w-]+:)?(\w+) ([^`]+)`/g, "`$1: $2`");
}

/** Renders a value as Pulumi passes it from a stack's file. */
function textOf(value: unknown): string {
    return typeof value === "string" ? value : JSON.stringify(value);
}

/** Resolves an input; undefined too where a preview does not know it. */
function valueOf<T>(input: pulumi.Input<T> | undefined): Promise<T | undefined> {
    // The SDK implements `promise()` but does not declare it.
    return (pulumi.output(input) as unknown as { promise(): Promise<T | undefined> }).promise();
}
