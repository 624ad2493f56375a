import * as pulumi from "@pulumi/pulumi";
import type { User } from "../config/settings.ts";
import { aclFile } from "../broker/acl.ts";
import { Password } from "../providers/index.ts";

/**
 * PBKDF2 rounds of a password's hash. The single-threaded broker computes it at every CONNECT, so it
 * bounds how fast clients come back after a restart.
 */
const ITERATIONS = 10_000;

/** Users with their passwords, given or generated, and Mosquitto's password and ACL files. */
export class Credentials extends pulumi.ComponentResource {
    /** Secret: user name → password. */
    readonly passwords: pulumi.Output<Record<string, string>>;
    /** Secret: the file's text, a line a user. */
    readonly passwordFile: pulumi.Output<string>;
    /** The text of Mosquitto's ACL file. */
    readonly aclFile: string;

    constructor(name: string, users: User[], opts?: pulumi.ComponentResourceOptions) {
        super("appkata-mqtt:index:Credentials", name, {}, opts);
        const kept = users.map(
            (user) =>
                new Password(
                    user.name,
                    {
                        user: user.name,
                        ...(user.password !== undefined && {
                            password: pulumi.secret(user.password),
                        }),
                        iterations: ITERATIONS,
                    },
                    { parent: this },
                ),
        );
        this.passwords = pulumi.secret(
            pulumi
                .all(kept.map(({ password }) => password))
                .apply((all) => Object.fromEntries(users.map((user, at) => [user.name, all[at]!]))),
        );
        this.passwordFile = pulumi.secret(
            pulumi
                .all(kept.map(({ hash }) => hash))
                .apply((all) => users.map((user, at) => `${user.name}:${all[at]}\n`).join("")),
        );
        this.aclFile = aclFile(users.map(({ name }) => ({ name, everything: true })));
        this.registerOutputs({});
    }
}
