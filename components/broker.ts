import * as pulumi from "@pulumi/pulumi";
import { confFiles, GIVEN, MONITOR_PORT } from "../broker/conf.ts";
import type { Settings } from "../config/settings.ts";
import { Machine, Secrets, Volume } from "../providers/index.ts";
import { protection } from "./flyApp.ts";
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
    /** Expiry times of certificates, for the broker's metrics. */
    expiryFile: pulumi.Input<string>;
    /** Number of app secrets that carry these files. */
    fileSecrets: number;
    /** Resources to delete only after the machine, so that a protected machine protects them too. */
    after: pulumi.Resource[];
}

/** App secret that carries the machine's files; numbered where there are several. */
const SECRET = "MOSQUITTO_FILES";

/** Volume, app secrets and the machine that runs Mosquitto. */
export class Broker extends pulumi.ComponentResource {
    readonly machineId: pulumi.Output<string>;
    /** Changes with every change of the machine's configuration. */
    readonly instanceId: pulumi.Output<string>;
    readonly volumeId: pulumi.Output<string>;
    /** Version of the app's secrets; grows with every change. */
    readonly secretsVersion: pulumi.Output<number>;
    /** Number of the bundle of files; grows with every change. */
    readonly filesNumber: pulumi.Output<number | undefined>;
    /** The machine's configuration as declared. */
    readonly config: Machine["config"];

    constructor(name: string, args: BrokerArgs, opts?: pulumi.ComponentResourceOptions) {
        super("appkata-mqtt:index:Broker", name, {}, opts);
        const parent = { parent: this };
        const { settings } = args;
        const { endpoint, region, guest, imports } = settings;
        const { name: volumeName, sizeGb, onReplace, snapshotRetentionDays } = settings.volume;
        const { snapshotId } = settings.volume;
        const app = args.appName;
        const owner = { project: pulumi.getProject(), stack: pulumi.getStack() };

        const compute = {
            cpu_kind: guest.cpuKind,
            cpus: guest.cpus,
            memory_mb: guest.memoryMb,
        };
        const byCertificate = settings.clientCertificates.mode !== "off";
        const names = secretNames(args.fileSecrets);

        const volume = new Volume(
            `${name}:data`,
            {
                endpoint,
                app,
                region,
                owner,
                compute,
                name: volumeName,
                sizeGb,
                onReplace,
                snapshotRetentionDays,
                ...(snapshotId !== undefined && { snapshotId }),
                ...(imports.volume !== undefined && { importId: imports.volume }),
                ...protection(settings),
            },
            { ...parent, retainOnDelete: settings.volume.retain },
        );

        const secrets = new Secrets(
            `${name}:files`,
            {
                endpoint,
                app,
                files: {
                    "server.crt": args.serverChainPem,
                    "server.key": args.serverKeyPem,
                    passwd: args.passwordFile,
                    acl: args.aclFile,
                    expiry: args.expiryFile,
                    ...(byCertificate && {
                        "client-ca.crt": args.clientCaPem,
                        "client-ca.crl": args.revocationPem!,
                    }),
                },
                names,
                live: liveFiles(settings.machineName, owner),
            },
            parent,
        );

        const machine = new Machine(
            `${name}:mosquitto`,
            {
                endpoint,
                app,
                name: settings.machineName,
                region,
                owner,
                logsEndpoint: settings.logsEndpoint,
                ...(imports.machine !== undefined && { importId: imports.machine }),
                ...protection(settings),
                secretsVersion: secrets.restartVersion,
                newestSecretsVersion: secrets.version,
                config: {
                    image: args.image,
                    guest: compute,
                    mounts: [{ volume: volume.volumeId, path: "/mosquitto/data" }],
                    files: [
                        ...names.map((secret_name, at) => ({
                            guest_path: `${GIVEN}/files.${twoDigits(at + 1)}`,
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
                            // Longer than the monitor waits for its own message.
                            timeout: "5s",
                            grace_period: "1s",
                        },
                    },
                    ...(settings.metrics && {
                        metrics: { port: MONITOR_PORT, path: "/metrics" },
                    }),
                    restart: { policy: "always" },
                    // Mosquitto saves its store on SIGTERM, which takes a while for a large one.
                    stop_config: { signal: "SIGTERM", timeout: "30s" },
                },
            },
            { ...parent, dependsOn: args.after },
        );

        this.machineId = machine.machineId;
        this.instanceId = machine.instanceId;
        this.volumeId = volume.volumeId;
        this.secretsVersion = secrets.version;
        this.filesNumber = secrets.number;
        this.config = machine.config;
        this.registerOutputs({ machineId: this.machineId, volumeId: this.volumeId });
    }
}

function secretNames(count: number): string[] {
    return count === 1
        ? [SECRET]
        : Array.from({ length: count }, (_, at) => `${SECRET}_${twoDigits(at + 1)}`);
}

/** Pads a number, so that names sort by it. */
function twoDigits(number: number): string {
    return String(number).padStart(2, "0");
}
