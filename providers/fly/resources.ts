/** Declares Fly's resources for Pulumi programs. Each resource's `…Inputs` type documents its properties. */
import * as pulumi from "@pulumi/pulumi";
import { DynamicResource } from "../delegates.ts";
import { pack } from "../packed.ts";
import type { AppInputs } from "./app/inputs.ts";
import type { CertificateInputs, DnsRequirements } from "./certificate.ts";
import type { IpAddressInputs } from "./ip.ts";
import type { MachineInputs } from "./machine/inputs.ts";
import type { SecretsInputs } from "./secrets/inputs.ts";
import type { VolumeInputs } from "./volume/inputs.ts";

/** Allows another resource's output for each value at any depth. */
type Inputs<T> = { [K in keyof T]: DeepInput<T[K]> };
type DeepInput<T> = pulumi.Input<T extends object ? { [K in keyof T]: DeepInput<T[K]> } : T>;

export type AppArgs = Inputs<AppInputs>;
export type IpAddressArgs = Inputs<IpAddressInputs>;
export type VolumeArgs = Inputs<VolumeInputs>;
export type SecretsArgs = Inputs<SecretsInputs>;
export type MachineArgs = Inputs<MachineInputs>;
export type CertificateArgs = Inputs<CertificateInputs>;

/** A Fly app. Its name is unique across all of Fly; addresses, volumes, secrets and machines belong to it. */
export class App extends DynamicResource {
    declare readonly name: pulumi.Output<string>;
    declare readonly organization: pulumi.Output<string>;
    declare readonly appId: pulumi.Output<string>;
    declare readonly organizationSlug: pulumi.Output<string>;
    /** `NAME.fly.dev` */
    declare readonly hostname: pulumi.Output<string>;

    constructor(name: string, args: AppArgs, opts?: pulumi.CustomResourceOptions) {
        const outputs = { appId: undefined, organizationSlug: undefined, hostname: undefined };
        super("fly", "App", name, { ...outputs, ...args }, opts);
    }
}

/** A public IP address of an app. */
export class IpAddress extends DynamicResource {
    declare readonly app: pulumi.Output<string>;
    declare readonly type: pulumi.Output<string>;
    declare readonly address: pulumi.Output<string>;
    declare readonly shared: pulumi.Output<boolean>;

    constructor(name: string, args: IpAddressArgs, opts?: pulumi.CustomResourceOptions) {
        const outputs = { address: undefined, shared: undefined };
        super("fly", "IpAddress", name, { ...outputs, ...args }, opts);
    }
}

/** A disk in one region, attached to one machine at a time. It can only grow. */
export class Volume extends DynamicResource {
    declare readonly app: pulumi.Output<string>;
    declare readonly name: pulumi.Output<string>;
    declare readonly region: pulumi.Output<string>;
    declare readonly sizeGb: pulumi.Output<number>;
    declare readonly volumeId: pulumi.Output<string>;
    declare readonly zone: pulumi.Output<string>;
    declare readonly encrypted: pulumi.Output<boolean>;
    declare readonly fstype: pulumi.Output<string>;
    declare readonly state: pulumi.Output<string>;
    declare readonly createdAt: pulumi.Output<string>;

    constructor(name: string, args: VolumeArgs, opts?: pulumi.CustomResourceOptions) {
        const outputs = {
            volumeId: undefined,
            zone: undefined,
            encrypted: undefined,
            fstype: undefined,
            state: undefined,
            createdAt: undefined,
        };
        super("fly", "Volume", name, { ...outputs, ...args }, opts);
    }
}

/** Files for a machine, carried by app secrets. Other secrets of the app are left alone. */
export class Secrets extends DynamicResource {
    declare readonly app: pulumi.Output<string>;
    /** Version of the app's secrets; input for a machine's `newestSecretsVersion`. */
    declare readonly version: pulumi.Output<number>;
    /** Version that a machine must restart for; input for its `secretsVersion`. */
    declare readonly restartVersion: pulumi.Output<number>;
    /** Number of the bundle of files; grows with every change. */
    declare readonly number: pulumi.Output<number | undefined>;
    /** Name → Fly's digest. */
    declare readonly digests: pulumi.Output<Record<string, string>>;

    constructor(name: string, args: SecretsArgs, opts?: pulumi.CustomResourceOptions) {
        const props = {
            version: undefined,
            restartVersion: undefined,
            number: undefined,
            digest: undefined,
            digests: undefined,
            fingerprints: undefined,
            salt: undefined,
            ...args,
            files: pulumi.secret(pulumi.output(args.files).apply(pack)),
        };
        const secretOutputs = { additionalSecretOutputs: ["fingerprints", "salt"] };
        super("fly", "Secrets", name, props, pulumi.mergeOptions(opts, secretOutputs));
    }
}

/** A machine. Create and update wait until it runs and its health checks pass. */
export class Machine extends DynamicResource {
    declare readonly app: pulumi.Output<string>;
    declare readonly name: pulumi.Output<string>;
    declare readonly region: pulumi.Output<string>;
    declare readonly machineId: pulumi.Output<string>;
    declare readonly config: pulumi.Output<MachineInputs["config"]>;
    /** Changes with each version of the machine. */
    declare readonly instanceId: pulumi.Output<string>;
    declare readonly version: pulumi.Output<string>;
    declare readonly state: pulumi.Output<string>;
    declare readonly privateIp: pulumi.Output<string>;
    /** Digest of the running image, `sha256:…`. */
    declare readonly imageDigest: pulumi.Output<string>;

    constructor(name: string, args: MachineArgs, opts?: pulumi.CustomResourceOptions) {
        const outputs = {
            machineId: undefined,
            instanceId: undefined,
            version: undefined,
            state: undefined,
            privateIp: undefined,
            imageDigest: undefined,
        };
        super("fly", "Machine", name, { ...outputs, ...args }, opts);
    }
}

/** A public certificate for a custom host name. Create does not wait for the DNS records. */
export class Certificate extends DynamicResource {
    declare readonly app: pulumi.Output<string>;
    declare readonly hostname: pulumi.Output<string>;
    /** `pending_validation`, `pending_ownership` or `active`, as of the last refresh. */
    declare readonly status: pulumi.Output<string>;
    /** Whether DNS points to the app. */
    declare readonly configured: pulumi.Output<boolean>;
    declare readonly dnsRequirements: pulumi.Output<DnsRequirements>;

    constructor(name: string, args: CertificateArgs, opts?: pulumi.CustomResourceOptions) {
        const outputs = { status: undefined, configured: undefined, dnsRequirements: undefined };
        super("fly", "Certificate", name, { ...outputs, ...args }, opts);
    }
}
