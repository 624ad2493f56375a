import * as pulumi from "@pulumi/pulumi";
import { aclFile, type Grants } from "../broker/acl.ts";
import type { User } from "../config/settings.ts";
import { Passwords } from "../providers/index.ts";
import type { KeptPassword, KnownPasswords } from "../providers/kept/passwords.ts";
import type { Logins } from "../verification/target.ts";
import { VERIFIER, VERIFIER_ACCESS } from "../verification/verifier.ts";

/**
 * PBKDF2 rounds for a generated password, Mosquitto's own default. The single-threaded broker computes them
 * at every CONNECT, so they limit how fast clients reconnect after a restart: with TLS a connection takes
 * 0.7 ms of a CPU, and 3.3 ms at 10,000 rounds. More rounds add nothing to a generated password.
 */
export const ITERATIONS = 1000;

/** PBKDF2 rounds for a given password. People choose weaker ones, so each guess at a stolen hash costs ten times as much. */
const GIVEN_ITERATIONS = 10_000;

export interface CredentialsArgs {
    users: User[];
    /** Grants of every user, besides its own. */
    everyone: Grants;
    /** Users with a revoked certificate. */
    revoked: pulumi.Input<string[]>;
    /** Passwords already in the stack. */
    earlier: KnownPasswords;
}

/** Users with their passwords, given or generated, and Mosquitto's password and ACL files. */
export class Credentials extends pulumi.ComponentResource {
    /** Secret: user name → password, of users that log in with one, without the verification's user. */
    readonly passwords: pulumi.Output<Record<string, string>>;
    /** Secret: the verification's user. */
    readonly verifier: pulumi.Output<{ username: string; password: string }>;
    /** Secret: logins that the verification expects to succeed and to fail, without devices. */
    readonly logins: pulumi.Output<Pick<Logins, "users" | "userCount" | "former">>;
    /** Secret: text of Mosquitto's password file, one line per user. */
    readonly passwordFile: pulumi.Output<string>;
    /** The text of Mosquitto's ACL file. */
    readonly aclFile: pulumi.Output<string>;

    constructor(name: string, args: CredentialsArgs, opts?: pulumi.ComponentResourceOptions) {
        super("appkata-mqtt:index:Credentials", name, {}, opts);
        const { users, everyone } = args;
        const { kept, former } = new Passwords(
            `${name}:passwords`,
            {
                users: [...users, { name: VERIFIER, password: undefined }].map((one) => ({
                    user: one.name,
                    ...(one.password !== undefined && { password: one.password }),
                })),
                iterations: ITERATIONS,
                givenIterations: GIVEN_ITERATIONS,
                earlier: args.earlier,
            },
            { parent: this },
        );
        const devices = new Set(users.filter((user) => user.certificate).map(({ name }) => name));
        const withPassword = kept.apply((all) =>
            all.filter(({ user }) => user !== VERIFIER && !devices.has(user)),
        );
        this.passwords = pulumi.secret(
            withPassword.apply((all) =>
                Object.fromEntries(all.map(({ user, password }) => [user, password])),
            ),
        );
        this.verifier = pulumi.secret(
            kept.apply((all) => {
                const { password } = all.find(({ user }) => user === VERIFIER)!;
                return { username: VERIFIER, password };
            }),
        );
        this.logins = pulumi.secret(
            pulumi.all([withPassword, former]).apply(([all, former]) => ({
                users: newest(all).map(({ user, password }) => ({ user, password })),
                userCount: all.length,
                former,
            })),
        );
        this.passwordFile = pulumi.secret(
            kept.apply((all) => all.map(({ user, hash }) => `${user}:${hash}\n`).join("")),
        );
        this.aclFile = pulumi.output(args.revoked).apply((revoked) => {
            const removed = revoked.filter((one) => !users.some((user) => user.name === one));
            return aclFile({ users, everyone, internal: [VERIFIER_ACCESS], removed });
        });
        this.registerOutputs({});
    }
}

/** Most users that the verification logs in as. */
const MAX_LOGINS = 20;

/** Picks the users with the newest passwords, so that a changed password is always proved. */
function newest(all: readonly KeptPassword[]): KeptPassword[] {
    return all
        .toSorted((a, b) => (a.since < b.since ? 1 : a.since > b.since ? -1 : 0))
        .slice(0, MAX_LOGINS);
}
