import * as command from "@pulumi/command";
import * as pulumi from "@pulumi/pulumi";
import type { Logins } from "../verification/target.ts";

export interface VerificationArgs {
    /** Host or IP that is dialled. */
    address: pulumi.Input<string>;
    port: number;
    /** The name that the server certificate must carry. */
    hostname: pulumi.Input<string>;
    caPem: pulumi.Input<string>;
    /** Who ends TLS, and whose certificate there is to be. */
    tls: "broker" | "edge";
    /** MQTT over WebSockets, and its port. */
    webSockets: "off" | "edge" | "broker";
    webSocketsPort: number;
    /** Secret: the user that does the round trip. */
    verifier: pulumi.Input<{ username: string; password: string }>;
    /** Secret: who logs in, and who must not. */
    logins: pulumi.Input<Logins>;
    /** What the verification proves: it runs again when one of these changes. */
    proves: pulumi.Input<string | number>[];
}

/** A real client against the deployed broker; unless it gets through, `up` fails. */
export class Verification extends pulumi.ComponentResource {
    /** What was done, a line a step, with how long it took. */
    readonly report: pulumi.Output<string>;

    constructor(name: string, args: VerificationArgs, opts?: pulumi.ComponentResourceOptions) {
        super("appkata-mqtt:index:Verification", name, {}, opts);
        const verifier = pulumi.output(args.verifier);
        const run = new command.local.Command(
            "client",
            {
                create: "node verification/main.ts",
                environment: {
                    MQTT_ADDRESS: args.address,
                    MQTT_PORT: String(args.port),
                    MQTT_HOSTNAME: args.hostname,
                    MQTT_CA_PEM: args.caPem,
                    ...(args.tls === "edge" && { MQTT_TLS: "edge" }),
                    ...(args.webSockets !== "off" && {
                        MQTT_WEBSOCKETS: args.webSockets,
                        MQTT_WEBSOCKETS_PORT: String(args.webSocketsPort),
                    }),
                    MQTT_USERNAME: verifier.username,
                    MQTT_PASSWORD: pulumi.secret(verifier.password),
                },
                // Linux takes at most 131,072 bytes for a variable of the environment.
                stdin: pulumi.secret(pulumi.jsonStringify(args.logins)),
                triggers: args.proves,
            },
            { parent: this },
        );
        this.report = run.stdout;
        this.registerOutputs({ report: this.report });
    }
}
