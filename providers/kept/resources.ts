/** Declares resources that exist only in the state: names, passwords, removed devices, revocation lists. */
import * as pulumi from "@pulumi/pulumi";
import { DynamicResource } from "../delegates.ts";
import { pack, unpack } from "../packed.ts";
import type { Device, FormerDevicesInputs } from "./formerDevices.ts";
import type { NameInputs } from "./name.ts";
import type { FormerPassword, KeptPassword, PasswordsInputs } from "./passwords.ts";
import type { Remembered, RevocationListInputs, RevocationRecord } from "./revocationList.ts";

type Inputs<T> = { [K in keyof T]: pulumi.Input<T[K]> };

export type NameArgs = Inputs<NameInputs>;
export type PasswordsArgs = Inputs<PasswordsInputs>;
export type FormerDevicesArgs = Inputs<FormerDevicesInputs>;
export type RevocationListArgs = Inputs<RevocationListInputs>;

/** A name of a prefix and six random characters, generated once. */
export class Name extends DynamicResource {
    declare readonly prefix: pulumi.Output<string>;
    declare readonly name: pulumi.Output<string>;

    constructor(name: string, args: NameArgs, opts?: pulumi.CustomResourceOptions) {
        super("kept", "Name", name, { name: undefined, ...args }, opts);
    }
}

/** All users' passwords and their hashes for Mosquitto's password file. */
export class Passwords extends DynamicResource {
    /** Secret. Current passwords, in the order of `users`. */
    declare readonly kept: pulumi.Output<KeptPassword[]>;
    /** Secret. Passwords that are no longer valid, newest first. */
    declare readonly former: pulumi.Output<FormerPassword[]>;

    constructor(name: string, args: PasswordsArgs, opts?: pulumi.CustomResourceOptions) {
        const props = {
            kept: undefined,
            former: undefined,
            ...args,
            users: pulumi.secret(pulumi.output(args.users).apply(pack)),
            ...(args.earlier !== undefined && {
                earlier: pulumi.secret(pulumi.output(args.earlier).apply(pack)),
            }),
        };
        const secretOutputs = { additionalSecretOutputs: ["kept", "former"] };
        super("kept", "Passwords", name, props, pulumi.mergeOptions(opts, secretOutputs));
        this.kept = this.kept.apply(unpack);
    }
}

/** Keys and certificates of devices that may no longer log in. */
export class FormerDevices extends DynamicResource {
    /** Secret. */
    declare readonly former: pulumi.Output<Device[]>;

    constructor(name: string, args: FormerDevicesArgs, opts?: pulumi.CustomResourceOptions) {
        const props = {
            former: undefined,
            devices: pulumi.secret(args.devices),
            ...(args.earlier !== undefined && { earlier: pulumi.secret(args.earlier) }),
        };
        const secretOutputs = { additionalSecretOutputs: ["devices", "former"] };
        super("kept", "FormerDevices", name, props, pulumi.mergeOptions(opts, secretOutputs));
    }
}

/** A CA's revocation list: certificates of users that may no longer log in. */
export class RevocationList extends DynamicResource {
    declare readonly crlPem: pulumi.Output<string>;
    /** Revoked certificates: user, serial number, expiry and time of revocation. */
    declare readonly revoked: pulumi.Output<RevocationRecord["revoked"]>;
    declare readonly issued: pulumi.Output<Remembered[]>;
    declare readonly number: pulumi.Output<number>;
    declare readonly thisUpdate: pulumi.Output<string>;

    constructor(name: string, args: RevocationListArgs, opts?: pulumi.CustomResourceOptions) {
        const outputs = ["issued", "revoked", "number", "thisUpdate", "crlPem"];
        const props = {
            ...Object.fromEntries(outputs.map((output) => [output, undefined])),
            ...args,
            caKeyPem: pulumi.secret(args.caKeyPem),
            ...(args.before !== undefined && { before: pulumi.output(args.before).apply(pack) }),
        };
        const secretOutputs = { additionalSecretOutputs: ["caKeyPem"] };
        super("kept", "RevocationList", name, props, pulumi.mergeOptions(opts, secretOutputs));
        this.issued = this.issued.apply(unpack);
        this.revoked = this.revoked.apply(unpack);
    }
}
