import * as pulumi from "@pulumi/pulumi";
import { confFiles, GIVEN, MONITOR_PORT } from "../broker/conf.ts";
import type { Settings } from "../config/settings.ts";
import { Machine, Secrets, Volume } from "../providers/index.ts";
import { liveFiles } from "./liveFiles.ts";
import { servicesOf } from "./services.ts";

export interface BrokerArgs {
    settings: Settings;
    appName: pulumi.Input<string>;
    /** `REGISTRY/APP@sha256:…` */
    image: pulumi.Input<string>;
    serverChainPem: pulumi.Input<string>;
    serverKeyPem: pulumi.Input<string>;
    passwordFile: pulumi.Input<string>;
    aclFile: pulumi.Input<string>;
    /** CAs of the certificates that clients log in with. */
    clientCaPem: pulumi.Input<string>;
    /** The CAs' revocation lists; undefined where nobody logs in with a certificate. */
    revocationPem: pulumi.Input<string> | undefined;
    /** When certificates end, for who watches the broker. */
    expiryFile: pulumi.Input<string>;
}

/** Where the image's entrypoint looks for each app secret. */
const FILES = {
    MOSQUITTO_SERVER_CERT: `${GIVEN}/server.crt`,
    MOSQUITTO_SERVER_KEY: `${GIVEN}/server.key`,
    MOSQUITTO_PASSWORD_FILE: `${GIVEN}/passwd`,
    MOSQUITTO_ACL_FILE: `${GIVEN}/acl`,
    MOSQUITTO_EXPIRY: `${GIVEN}/expiry`,
};

/** Only where clients log in with certificates. */
const CLIENT_CA = {
    MOSQUITTO_CLIENT_CA: `${GIVEN}/client-ca.crt`,
    MOSQUITTO_CLIENT_CRL: `${GIVEN}/client-ca.crl`,
};

/** Volume, app secrets and the one machine that runs Mosquitto. */
export class Broker extends pulumi.ComponentResource {
    readonly machineId: pulumi.Output<string>;
    /** New for every start with a changed configuration. */
    readonly instanceId: pulumi.Output<string>;
    readonly volumeId: pulumi.Output<string>;
    /** Of the app's secrets; grows with every change. */
    readonly secretsVersion: pulumi.Output<number>;

    constructor(name: string, args: BrokerArgs, opts?: pulumi.ComponentResourceOptions) {
        super("appkata-mqtt:index:Broker", name, {}, opts);
        const parent = { parent: this };
        const { settings } = args;
        const { endpoint, region, guest, imports } = settings;
        const { protect, retain, snapshotId, ...volumeArgs } = settings.volume;
        const app = args.appName;
        const owner = { project: pulumi.getProject(), stack: pulumi.getStack() };

        const byCertificate = settings.clientCertificates.mode !== "off";
        const files = { ...FILES, ...(byCertificate && CLIENT_CA) };

        const volume = new Volume(
            "data",
            {
                endpoint,
                app,
                region,
                owner,
                ...volumeArgs,
                ...(snapshotId !== undefined && { snapshotId }),
                ...(imports.volume !== undefined && { importId: imports.volume }),
            },
            { ...parent, protect, retainOnDelete: retain },
        );

        const secrets = new Secrets(
            "files",
            {
                endpoint,
                app,
                values: {
                    MOSQUITTO_SERVER_CERT: base64(args.serverChainPem),
                    MOSQUITTO_SERVER_KEY: base64(args.serverKeyPem),
                    MOSQUITTO_PASSWORD_FILE: base64(args.passwordFile),
                    MOSQUITTO_ACL_FILE: base64(args.aclFile),
                    MOSQUITTO_EXPIRY: base64(args.expiryFile),
                    ...(byCertificate && {
                        MOSQUITTO_CLIENT_CA: base64(args.clientCaPem),
                        MOSQUITTO_CLIENT_CRL: base64(args.revocationPem!),
                    }),
                },
                live: liveFiles(settings.machineName, owner, files),
            },
            parent,
        );

        const machine = new Machine(
            "mosquitto",
            {
                endpoint,
                app,
                name: settings.machineName,
                region,
                owner,
                logsEndpoint: settings.logsEndpoint,
                ...(imports.machine !== undefined && { importId: imports.machine }),
                secretsVersion: secrets.restartVersion,
                newestSecretsVersion: secrets.version,
                config: {
                    image: args.image,
                    guest: {
                        cpu_kind: guest.cpuKind,
                        cpus: guest.cpus,
                        memory_mb: guest.memoryMb,
                    },
                    mounts: [{ volume: volume.volumeId, path: "/mosquitto/data" }],
                    files: [
                        ...Object.entries(files).map(([secret_name, guest_path]) => ({
                            guest_path,
                            secret_name,
                        })),
                        ...confFiles(settings.broker),
                    ],
                    services: servicesOf(settings),
                    checks: {
                        mqtt: {
                            type: "http",
                            port: MONITOR_PORT,
                            method: "GET",
                            path: "/health",
                            interval: "5s",
                            // Longer than the monitor waits for its message.
                            timeout: "5s",
                            grace_period: "1s",
                        },
                    },
                    ...(settings.metrics && {
                        metrics: { port: MONITOR_PORT, path: "/metrics" },
                    }),
                    restart: { policy: "always" },
                    // Mosquitto saves on SIGTERM; a large store needs its time.
                    stop_config: { signal: "SIGTERM", timeout: "30s" },
                },
            },
            parent,
        );

        this.machineId = machine.machineId;
        this.instanceId = machine.instanceId;
        this.volumeId = volume.volumeId;
        this.secretsVersion = secrets.version;
        this.registerOutputs({ machineId: this.machineId, volumeId: this.volumeId });
    }
}

/** Fly wants a secret that becomes a file in base64. */
function base64(text: pulumi.Input<string>): pulumi.Output<string> {
    return pulumi.secret(pulumi.output(text).apply((t) => Buffer.from(t).toString("base64")));
}
