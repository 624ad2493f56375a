import * as pulumi from "@pulumi/pulumi";
import type { Settings } from "../config/settings.ts";
import { Machine, Secrets, Volume } from "../providers/index.ts";
import { liveFiles } from "./liveFiles.ts";
import { guestOf, machineConfig, twoDigits, type MachineSettings } from "./machineConfig.ts";

export interface BrokerArgs extends Pick<
    Settings,
    "endpoint" | "logsEndpoint" | "region" | "imports" | "volume" | "machineName"
> {
    appName: pulumi.Input<string>;
    /** Setting that protects the data and the clients' access. */
    protectedBy?: string;
    machine: MachineSettings;
    /** `REGISTRY/APP@sha256:…` */
    image: pulumi.Input<string>;
    /** Files of the machine, by the name under which it keeps them. */
    files: Record<string, pulumi.Input<string>>;
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
        const { endpoint, region, imports, machineName } = args;
        const { name: volumeName, sizeGb, onReplace, snapshotRetentionDays } = args.volume;
        const { snapshotId, retain } = args.volume;
        const app = args.appName;
        const owner = { project: pulumi.getProject(), stack: pulumi.getStack() };
        const names = secretNames(args.fileSecrets);
        const protection = args.protectedBy !== undefined && { protectedBy: args.protectedBy };

        const volume = new Volume(
            `${name}:data`,
            {
                endpoint,
                app,
                region,
                owner,
                compute: guestOf(args.machine.guest),
                name: volumeName,
                sizeGb,
                onReplace,
                snapshotRetentionDays,
                ...(snapshotId !== undefined && { snapshotId }),
                ...(imports.volume !== undefined && { importId: imports.volume }),
                ...protection,
            },
            { ...parent, retainOnDelete: retain },
        );

        const secrets = new Secrets(
            `${name}:files`,
            {
                endpoint,
                app,
                files: args.files,
                names,
                live: liveFiles(machineName, owner),
            },
            parent,
        );

        const machine = new Machine(
            `${name}:mosquitto`,
            {
                endpoint,
                app,
                name: machineName,
                region,
                owner,
                logsEndpoint: args.logsEndpoint,
                ...(imports.machine !== undefined && { importId: imports.machine }),
                ...protection,
                secretsVersion: secrets.restartVersion,
                newestSecretsVersion: secrets.version,
                config: machineConfig(args.machine, {
                    image: args.image,
                    volumeId: volume.volumeId,
                    secretNames: names,
                }),
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
