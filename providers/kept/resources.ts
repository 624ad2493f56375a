/** What is made once and kept in the state, as a Pulumi program declares it. */
import * as pulumi from "@pulumi/pulumi";
import { DynamicResource } from "../delegates.ts";
import type { NameInputs } from "./name.ts";
import type { PasswordInputs } from "./password.ts";
import type { Remembered, RevocationListInputs } from "./revocationList.ts";

type Inputs<T> = { [K in keyof T]: pulumi.Input<T[K]> };

export type NameArgs = Inputs<NameInputs>;
export type PasswordArgs = Inputs<PasswordInputs>;
export type RevocationListArgs = Inputs<RevocationListInputs>;

/** A name made of a prefix and six random characters. */
export class Name extends DynamicResource {
    declare readonly prefix: pulumi.Output<string>;
    declare readonly name: pulumi.Output<string>;

    constructor(name: string, args: NameArgs, opts?: pulumi.CustomResourceOptions) {
        super("kept", "Name", name, { name: undefined, ...args }, opts);
    }
}

/** A user's password and its hash for Mosquitto's password file. */
export class Password extends DynamicResource {
    declare readonly user: pulumi.Output<string>;
    /** Secret. */
    declare readonly password: pulumi.Output<string>;
    /** Secret. `$7$…`: what follows `user:` in the password file. */
    declare readonly hash: pulumi.Output<string>;

    constructor(name: string, args: PasswordArgs, opts?: pulumi.CustomResourceOptions) {
        const { password, ...rest } = args;
        const props = {
            hash: undefined,
            generated: undefined,
            ...rest,
            password: password === undefined ? undefined : pulumi.secret(password),
        };
        const secretOutputs = { additionalSecretOutputs: ["password", "hash"] };
        super("kept", "Password", name, props, pulumi.mergeOptions(opts, secretOutputs));
    }
}

/** A CA's revocation list, by which those are refused that it no longer names. */
export class RevocationList extends DynamicResource {
    declare readonly crlPem: pulumi.Output<string>;
    /** Whose certificates are on it. */
    declare readonly revoked: pulumi.Output<Remembered[]>;

    constructor(name: string, args: RevocationListArgs, opts?: pulumi.CustomResourceOptions) {
        const outputs = ["issued", "revoked", "number", "thisUpdate", "crlPem"];
        const props = {
            ...Object.fromEntries(outputs.map((output) => [output, undefined])),
            ...args,
            caKeyPem: pulumi.secret(args.caKeyPem),
        };
        const secretOutputs = { additionalSecretOutputs: ["caKeyPem"] };
        super("kept", "RevocationList", name, props, pulumi.mergeOptions(opts, secretOutputs));
    }
}
