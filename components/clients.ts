import { chmodSync, mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import * as pulumi from "@pulumi/pulumi";
import { filterOf } from "../broker/acl.ts";
import { shellQuote } from "../config/commands.ts";
import type { Settings, User } from "../config/settings.ts";
import type { FlyApp } from "./flyApp.ts";

const CA_FILE = "rootCA.pem";

/**
 * Writes the CA's certificate to the file that the clients' commands name, in a preview too, so that whoever
 * runs the program can connect.
 *
 * @param folder relative to the program, so that the outputs are the same on every machine
 */
function keepCaFile(caPem: pulumi.Input<string>, folder: string): pulumi.Output<string> {
    const file = `${folder}/${CA_FILE}`;
    return pulumi.output(caPem).apply((pem) => {
        // Private, since clients' keys are stored beside it.
        mkdirSync(folder, { recursive: true, mode: 0o700 });
        chmodSync(folder, 0o700);
        writeFileSync(file, pem, { mode: 0o600 });
        chmodSync(file, 0o600);
        return file;
    });
}

export interface ClientArgs {
    settings: Pick<Settings, "users" | "connectBy" | "ports" | "broker">;
    app: Pick<FlyApp, "hostname" | "address">;
    passwords: pulumi.Input<Record<string, string>>;
    caPem: pulumi.Input<string>;
    /** Folder for the CA's certificate; undefined to write none. */
    folder: string | undefined;
}

/**
 * Renders a command to subscribe and one to publish, for the first user who may, preferably one with a
 * password. Secret, since they include it.
 */
export function clientCommands({ settings, app, passwords, caPem, folder }: ClientArgs) {
    const { mqtt: port, certificates } = settings.ports;
    const { tls, clientCertificates } = settings.broker;
    const host = settings.connectBy === "address" ? app.address : app.hostname;
    const certificatePort = clientCertificates === "optional" ? certificates : port;
    const kept = folder === undefined ? CA_FILE : keepCaFile(caPem, folder);
    // At the edge the certificate is public, and the system trusts its CA.
    const caFile = tls === "edge" ? undefined : kept;
    const access = settings.users.toSorted(
        (one, other) => Number(one.certificate) - Number(other.certificate),
    );
    const command = (program: string, { user, topic }: Example, rest: string) =>
        pulumi.secret(
            pulumi.all([host, passwords, caFile]).apply(([host, passwords, caFile]) =>
                clientCommand({
                    ...{ program, host, topic, caFile, rest },
                    user: user.name,
                    certificate: user.certificate,
                    port: user.certificate ? certificatePort : port,
                    password: passwords[user.name],
                }),
            ),
        );
    return {
        subscribeCommand: command("mosquitto_sub", example(access, "read"), ""),
        publishCommand: command("mosquitto_pub", example(access, "write"), " -l"),
    };
}

interface Example {
    user: Pick<User, "name" | "certificate">;
    topic: string;
}

/**
 * Picks the first user who may read or write, and a topic. Falls back to `#` and `tests` where only grants
 * for everyone allow it: those may depend on the client's ID, which is not known here.
 */
function example(access: User[], kind: "read" | "write"): Example {
    const fallback = kind === "read" ? "#" : "tests";
    for (const user of access) {
        const { name, everything } = user;
        if (everything === true || everything === kind) return { user, topic: fallback };
        const [filter] = [...user[kind], ...user.readWrite];
        if (filter === undefined) continue;
        const topic = filterOf(name, filter);
        return { user, topic: kind === "read" ? topic : topic.replaceAll(/[+#]/g, "tests") };
    }
    return { user: access[0]!, topic: fallback };
}

export interface ClientCommand {
    program: string;
    host: string;
    port: number;
    topic: string;
    user: string;
    /** Whether it logs in with the certificate and key beside the CA's file. */
    certificate: boolean;
    password: string | undefined;
    caFile: string | undefined;
    /** Options at the end. */
    rest: string;
}

/** Renders a command for the shell. */
export function clientCommand({ program, rest, user, certificate, caFile, ...to }: ClientCommand) {
    const file = (ending: string) => shellQuote(`${path.dirname(caFile!)}/${user}.${ending}`);
    return [
        program,
        ...connection({ ...to, user }),
        ...(certificate && caFile !== undefined
            ? [`--cert ${file("crt")} --key ${file("key")}`]
            : []),
        `${caFile === undefined ? "--tls-use-os-certs" : `--cafile ${caFile}`}${rest}`,
    ].join(" ");
}

type Connection = Pick<ClientCommand, "host" | "port" | "user" | "password" | "topic">;

/** Renders the connection as a URL, or as options where a URL would need escapes, which mosquitto's clients do not decode. */
function connection({ host, port, user, password, topic }: Connection): string[] {
    const plain = /^[A-Za-z0-9._~-]+$/;
    if (password === undefined) return [`-h ${host}`, `-p ${port}`, `-t ${shellQuote(topic)}`];
    if ([host, user, password].every((part) => plain.test(part)) && !/[^\w./+#-]/.test(topic)) {
        return [`-L mqtts://${user}:${password}@${host}:${port}/${topic}`];
    }
    return [
        `-h ${host}`,
        `-p ${port}`,
        `-u ${shellQuote(user)}`,
        `-P ${shellQuote(password)}`,
        `-t ${shellQuote(topic)}`,
    ];
}
