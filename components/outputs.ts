import * as pulumi from "@pulumi/pulumi";
import type { BrokerOutputs } from "../config/outputs.ts";
import type { Broker } from "./broker.ts";
import type { Certificates } from "./certificates.ts";
import type { ClientCertificates } from "./clientCertificates.ts";
import { clientCommands, type ClientArgs } from "./clients.ts";
import type { Credentials } from "./credentials.ts";
import type { EdgeCertificates } from "./edgeCertificates.ts";
import type { FlyApp } from "./flyApp.ts";
import type { Image } from "./image.ts";
import type { Revocation } from "./revocation.ts";
import type { Verification } from "./verification.ts";

/** A broker's outputs, each an output of its own. */
export type Outputs = { [Key in keyof BrokerOutputs]: pulumi.Output<BrokerOutputs[Key]> };

/** Parts of a broker that its outputs come from. */
interface Parts {
    settings: ClientArgs["settings"];
    app: FlyApp;
    certificates: Certificates;
    edge: EdgeCertificates | undefined;
    clients: ClientCertificates | undefined;
    revoked: Revocation | undefined;
    credentials: Credentials;
    image: Image;
    broker: Broker;
    verification: Verification;
    /** Folder for the CA's certificate; undefined to write none. */
    folder: string | undefined;
}

/** Omits outputs that do not apply; Pulumi warns about undefined ones. */
export function outputsOf(parts: Parts): Outputs {
    const { settings, app, edge, clients, revoked, credentials, broker } = parts;
    const { passwords } = credentials;
    const { caPem, expiry } = parts.certificates;
    const { ports } = settings;
    const { tls, webSockets, clientIds } = settings.broker;
    const { appName, hostname, address } = app;
    return {
        appName,
        hostname,
        address,
        port: pulumi.output(ports.mqtt),
        tls: pulumi.output(tls),
        webSockets: pulumi.output(webSockets),
        url: pulumi.interpolate`mqtts://${hostname}:${ports.mqtt}`,
        ...(webSockets !== "off" && {
            webSocketUrl: pulumi.interpolate`wss://${hostname}:${ports.webSockets}/mqtt`,
        }),
        caCertificatePem: caPem,
        expiry,
        ...(edge && { edgeHostnames: edge.hostnames }),
        machineId: broker.machineId,
        volumeId: broker.volumeId,
        imageDigest: parts.image.digest,
        users: passwords,
        clientIds: pulumi.output(clientIds),
        verifier: credentials.verifier,
        verificationLogins: parts.verification.logins,
        ...(clients && { clientCertificates: clients.certificates }),
        ...(revoked && { revocations: pulumi.secret(revoked.records) }),
        ...clientCommands({ settings, app, passwords, caPem, folder: parts.folder }),
        verification: parts.verification.report,
    };
}
