/**
 * What a program says of a broker: the same settings, with the same rules, as in a stack's file. One that it leaves
 * out is that of the stack's file (`appkata-mqtt:region`), else its default.
 */
import * as pulumi from "@pulumi/pulumi";
import { keysIn, NAMESPACE } from "./namespace.ts";
import { SettingsError } from "./settings.ts";
import type { WrittenSettings } from "./stackSettings.ts";

/**
 * Arguments of a MosquittoBroker. *Live*: the running broker takes a change, and clients stay connected.
 * *Restart*: the machine starts anew in place, for some seconds. *Replaced*: another is made.
 */
export interface MosquittoBrokerArgs {
    /** Who logs in, and what each may do; at least one. Live. */
    users: UserArgs[];
    /** What each user may do besides. Default: nothing. Live. */
    everyone?: GrantArgs;
    /** Passwords by user; of the others one is generated and kept. Known before anything is made. Live. */
    passwords?: pulumi.Input<Record<string, string>>;
    /** How hard a given password must be to guess, from 0 to 4 (zxcvbn). Default: 2. In place. */
    passwordStrength?: number;
    /** `user`: a client's ID is its user's name, whatever it says. Default: `any`. Restart. */
    clientIds?: "any" | "user";
    /** Whether clients log in with certificates; `optional`: at a port of their own. Default: `off`. Restart. */
    clientCertificates?: "off" | "optional" | "required";
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
    tls?: "broker" | "edge";
    /** MQTT over WebSockets, and who ends TLS there; needs Mosquitto 2.0. Default: `off`. Restart. */
    webSockets?: "off" | "edge" | "broker";
    /** Default: 443, or 8443 where the broker ends TLS. Restart. */
    webSocketsPort?: number;
    /** What `subscribeCommand` and `publishCommand` name. Default: `hostname`. In place. */
    connectBy?: "hostname" | "address";

    /** Fly app. Default: project, stack and random characters, made once. Everything is replaced. */
    appName?: string;
    /** Fly organisation. Default: `personal`. Changes with `appName` only: everything is replaced. */
    organization?: string;
    /** Fly region of volume and machine. Default: `lhr`. Both are replaced, as `volumeReplacement` allows. */
    region?: string;
    /** Default: `mosquitto`. The machine is replaced. */
    machineName?: string;
    /** Default: `shared`. Restart. */
    cpuKind?: "shared" | "performance";
    /** Default: 1. Restart. */
    cpus?: number;
    /** Default: 256. Restart. */
    memoryMb?: number;
    /** Mosquitto's image that the broker's is built from. Default: Mosquitto 2.1.2. Restart. */
    baseImage?: string;
    /** Whether Fly collects the broker's metrics. Default: true. Restart. */
    metrics?: boolean;
    /** What is there already and is taken over. Default: nothing. Read when each is first made. */
    import?: { app?: string; v4?: string; v6?: string; volume?: string; machine?: string };

    /** Default: 1. Grows in place; cannot shrink. */
    volumeSizeGb?: number;
    /** Default: `mosquitto_data`. The volume is replaced. */
    volumeName?: string;
    /** Whether nothing that the data or the clients' access hang on is deleted. Default: false. In place. */
    protectVolume?: boolean;
    /** Whether `pulumi destroy` leaves the volume and its app on Fly. Default: false. In the state alone. */
    retainVolume?: boolean;
    /** What becomes of the data where the volume is replaced. Default: `refuse`. In place. */
    volumeReplacement?: "refuse" | "restore" | "discard";
    /** ID of a snapshot to make the volume from. Default: none. Read when it is made. */
    volumeSnapshot?: string;
    /** Days that Fly keeps a snapshot, 1 to 60. Default: 5. In place. */
    snapshotRetentionDays?: number;

    /** Days that a server or client certificate is valid. Default: 365. Renews them. */
    certificateValidDays?: number;
    /** `up` renews a certificate in the last of these days. Default: 30. In place. */
    certificateRenewDays?: number;
    /** Preview and `up` warn of what ends within these days. Default: 30. In place. */
    expiryWarningDays?: number;
    /** Generations of the CA that clients trust, one or two. Default: [1]. Live. */
    caTrusted?: number[];
    /** The generation that signs. Default: 1. Live; renews certificates. */
    caIssuer?: number;
    /** Whether an `up` may shut clients out, by a new CA or app name. Default: `refuse`. In place. */
    clientsShutOut?: "refuse" | "allow";

    /** Whether the broker takes retained messages. Default: true. Restart. */
    retainedMessages?: boolean;
    /** Most of the memory that Mosquitto takes. Default: by `memoryMb`, as what follows. Restart. */
    memoryLimitMb?: number;
    /** Connections at once. Restart. */
    maxConnections?: number;
    /** Size of an MQTT packet. Restart. */
    maxPacketBytes?: number;
    /** Messages that wait for one client. Restart. */
    maxQueuedMessages?: number;
    /** Their size. Restart. */
    maxQueuedBytes?: number;
    /** Messages to one client that it has not acknowledged. Restart. */
    maxInflightMessages?: number;
    /** Longest keepalive that a client may ask for; 0 is any. Restart. */
    maxKeepaliveSeconds?: number;
    /** Days after which the session of a client that is away is forgotten; 0 is never. Restart. */
    sessionExpiryDays?: number;

    /** Base of Fly's Machines API, of its logs, and its registry's host. Default: Fly's own. */
    endpoint?: string;
    logsEndpoint?: string;
    registry?: string;

    /**
     * Folder in which each run keeps the CA's certificate as `rootCA.pem`, for the two commands. Relative to
     * the program. Default: none is kept, and the commands name `rootCA.pem`: save `caCertificatePem` as that.
     */
    certificateFolder?: string;
}

/** Topic filters; `%u` is the user's name, `%c` a client's ID. What is not granted is not allowed. */
export interface GrantArgs {
    read?: string[];
    write?: string[];
    readWrite?: string[];
}

export interface UserArgs extends GrantArgs {
    name: string;
    /** Neither read nor written, whatever else grants it. */
    deny?: string[];
    /** Every topic but those that begin with `$`: to read, to write, or both. */
    everything?: boolean | "read" | "write";
}

/**
 * @param broker the component's name
 * @throws SettingsError for a password that only an `up` will know
 */
export async function settingsOf(
    broker: string,
    { certificateFolder, passwords, ...plain }: MosquittoBrokerArgs,
): Promise<WrittenSettings> {
    const place = `MosquittoBroker "${broker}"`;
    const known = await valueOf(passwords);
    if (passwords !== undefined && known === undefined) {
        throw new SettingsError(place, [
            "passwords: must be known before anything is made, and so none of another resource's outputs",
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

/** Commands that set a key of a stack's file, as arguments of the component: `protectVolume: false`. */
export function asArguments(problems: string): string {
    return problems.replace(/`pulumi config set (?:[\w-]+:)?(\w+) ([^`]+)`/g, "`$1: $2`");
}

/** As Pulumi hands over what a stack's file has. */
function textOf(value: unknown): string {
    return typeof value === "string" ? value : JSON.stringify(value);
}

/** Undefined too where a preview does not know it. */
function valueOf<T>(input: pulumi.Input<T> | undefined): Promise<T | undefined> {
    // The SDK has this, and does not declare it.
    return (pulumi.output(input) as unknown as { promise(): Promise<T | undefined> }).promise();
}
