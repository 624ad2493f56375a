import * as pulumi from "@pulumi/pulumi";
import { aclFile, type Grants } from "../broker/acl.ts";
import type { User } from "../config/settings.ts";
import { Password } from "../providers/index.ts";
import { VERIFIER, VERIFIER_ACCESS } from "../verification/verifier.ts";

/**
 * PBKDF2 rounds of a password's hash, Mosquitto's own default. The single-threaded broker computes it at
 * every CONNECT, so it bounds how fast clients come back after a restart: with TLS a connection takes
 * 0.7 ms of a CPU, and 3.3 ms at 10,000 rounds. They add nothing to a generated password.
 */
export const ITERATIONS = 1000;

export interface CredentialsArgs {
    users: User[];
    /** What each user may do besides. */
    everyone: Grants;
    /** Who has a certificate that is revoked. */
    revoked: pulumi.Input<string[]>;
}

/** Users with their passwords, given or generated, and Mosquitto's password and ACL files. */
export class Credentials extends pulumi.ComponentResource {
    /** Secret: user name → password, of those who log in with one. Without the verification's user. */
    readonly passwords: pulumi.Output<Record<string, string>>;
    /** Secret: the user that the verification logs in as. */
    readonly verifier: pulumi.Output<{ username: string; password: string }>;
    /** Secret: the file's text, a line a user. */
    readonly passwordFile: pulumi.Output<string>;
    /** The text of Mosquitto's ACL file. */
    readonly aclFile: pulumi.Output<string>;

    constructor(name: string, args: CredentialsArgs, opts?: pulumi.ComponentResourceOptions) {
        super("appkata-mqtt:index:Credentials", name, {}, opts);
        const { users, everyone } = args;
        const kept = [...users, { name: VERIFIER, password: undefined }].map(
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
                .apply((all) => users.map((user, at) => ({ ...user, password: all[at]! })))
                .apply((all) => all.filter(({ certificate }) => !certificate))
                .apply((all) => Object.fromEntries(all.map((user) => [user.name, user.password]))),
        );
        this.verifier = pulumi.secret(
            kept.at(-1)!.password.apply((password) => ({ username: VERIFIER, password })),
        );
        this.passwordFile = pulumi.secret(
            pulumi
                .all(kept.map(({ user, hash }) => pulumi.interpolate`${user}:${hash}\n`))
                .apply((lines) => lines.join("")),
        );
        this.aclFile = pulumi.output(args.revoked).apply((revoked) => {
            const removed = revoked.filter((one) => !users.some((user) => user.name === one));
            return aclFile({ users, everyone, internal: [VERIFIER_ACCESS], removed });
        });
        this.registerOutputs({});
    }
}
