import * as command from "@pulumi/command";
import * as pulumi from "@pulumi/pulumi";
import type { BrokerConf } from "../broker/conf.ts";
import { shellQuote } from "../config/commands.ts";
import type { Ports } from "../config/settings.ts";
import { packageFile } from "../lib/packageFile.ts";
import type { Logins } from "../verification/target.ts";
import type { Broker } from "./broker.ts";
import type { ClientCertificates } from "./clientCertificates.ts";
import type { Credentials } from "./credentials.ts";
import type { FlyApp } from "./flyApp.ts";
import { checkedReport } from "./lastCheck.ts";
import type { Revocation } from "./revocation.ts";

export interface VerificationArgs {
    endpoint: string;
    token: string | undefined;
    /** App with the addresses that clients connect to. */
    app: Pick<FlyApp, "appName" | "hostname" | "address" | "addresses">;
    /** Machine that runs the broker. */
    broker: Omit<Broker, keyof pulumi.ComponentResource>;
    /** Broker's settings by which clients connect and log in. */
    conf: Pick<BrokerConf, "tls" | "webSockets" | "clientIds" | "clientCertificates">;
    ports: Ports;
    imageDigest: pulumi.Input<string>;
    /** Volume of the last `up`. */
    formerVolumeId: string | undefined;
    caPem: pulumi.Input<string>;
    credentials: Pick<Credentials, "verifier" | "logins">;
    /** Undefined unless clients log in with certificates. */
    clients: Pick<ClientCertificates, "verification"> | undefined;
    revocation: Pick<Revocation, "former"> | undefined;
}

/** Runs a real client against the deployed broker; `up` fails unless it gets through. */
export class Verification extends pulumi.ComponentResource {
    /** Secret: logins that the verification expects to succeed and to fail. */
    readonly logins: pulumi.Output<Logins>;
    /** Report, one line per step, with its duration. */
    readonly report: pulumi.Output<string>;

    constructor(name: string, args: VerificationArgs, opts?: pulumi.ComponentResourceOptions) {
        super("appkata-mqtt:index:Verification", name, {}, opts);
        const { endpoint, app, broker, caPem } = args;
        const { mqtt: port, webSockets: webSocketsPort } = args.ports;
        const { tls, webSockets } = args.conf;
        const { address, hostname } = app;
        const verifier = pulumi.output(args.credentials.verifier);
        this.logins = loginsOf(args);
        const run = new command.local.Command(
            `${name}:client`,
            {
                create: `node ${shellQuote(packageFile("verification/main.ts"))}`,
                environment: {
                    MQTT_ADDRESS: address,
                    MQTT_PORT: String(port),
                    MQTT_HOSTNAME: hostname,
                    MQTT_CA_PEM: caPem,
                    ...(tls === "edge" && { MQTT_TLS: "edge" }),
                    ...(webSockets !== "off" && {
                        MQTT_WEBSOCKETS: webSockets,
                        MQTT_WEBSOCKETS_PORT: String(webSocketsPort),
                    }),
                    MQTT_USERNAME: verifier.username,
                    MQTT_PASSWORD: pulumi.secret(verifier.password),
                },
                // Passed on standard input: Linux limits an environment variable to 131,072 bytes.
                stdin: pulumi.secret(pulumi.jsonStringify(this.logins)),
                // Runs again when something that it proves has changed.
                triggers: [
                    broker.instanceId,
                    broker.secretsVersion,
                    args.imageDigest,
                    ...app.addresses,
                    port,
                ],
            },
            { parent: this },
        );
        this.report = checkedReport({
            endpoint,
            token: args.token,
            machine: pulumi.output({
                app: app.appName,
                machineId: broker.machineId,
                volumeId: broker.volumeId,
                formerVolumeId: args.formerVolumeId,
                instanceId: broker.instanceId,
                config: broker.config,
            }),
            filesNumber: broker.filesNumber,
            target: pulumi.output({ address, port, hostname, caPem, tls }),
            report: run.stdout,
        });
        this.registerOutputs({ report: run.stdout });
    }
}

function loginsOf({
    conf,
    ports,
    credentials,
    clients,
    revocation,
}: VerificationArgs): pulumi.Output<Logins> {
    return pulumi.secret(
        pulumi
            .all([credentials.logins, clients?.verification, revocation?.former])
            .apply(([byPassword, pairs, former = []]) => ({
                ...byPassword,
                // A login as a user would disconnect that user's client and drop its session.
                ...(conf.clientIds === "user" && { users: [] }),
                ...(pairs && {
                    certificates: {
                        port:
                            conf.clientCertificates === "required"
                                ? ports.mqtt
                                : ports.certificates,
                        ...pairs,
                        former,
                    },
                }),
            })),
    );
}
