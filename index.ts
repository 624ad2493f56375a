import * as pulumi from "@pulumi/pulumi";
import { Broker } from "./components/broker.ts";
import { Certificates } from "./components/certificates.ts";
import { ClientCertificates } from "./components/clientCertificates.ts";
import { clientCommands, keepCaFile } from "./components/clients.ts";
import { Credentials } from "./components/credentials.ts";
import { EdgeCertificates } from "./components/edgeCertificates.ts";
import { FlyApp } from "./components/flyApp.ts";
import { Image } from "./components/image.ts";
import { checkedReport } from "./components/lastCheck.ts";
import { Revocation } from "./components/revocation.ts";
import { Verification } from "./components/verification.ts";
import { fileSecrets } from "./config/fileSize.ts";
import { readSettings } from "./config/index.ts";
import type { BrokerOutputs } from "./config/outputs.ts";

const { settings, token, deployed, imageMissing } = await readSettings();

const app = new FlyApp("fly", { settings, deployed });

const certificates = new Certificates("certificates", {
    hostname: app.hostname,
    addresses: app.addresses,
    hostnames: settings.hostnames,
    ...settings.certificate,
    authorities: settings.authorities,
    clientsShutOut: settings.clientsShutOut,
    deployed,
});

const { tls, webSockets, clientIds } = settings.broker;
const { endpoint, hostnames } = settings;
const atEdge = hostnames.length > 0 && (tls === "edge" || webSockets === "edge");
const edge = atEdge ? new EdgeCertificates("edge", { endpoint, app, hostnames }) : undefined;

const { mode, port: certificatePort } = settings.clientCertificates;
const devices = settings.users.filter((user) => user.certificate).map(({ name }) => name);
const { issuer } = certificates;
const clientCerts =
    mode === "off"
        ? undefined
        : new ClientCertificates("clients", { issuer, names: devices, ...settings.certificate });

// Once there is one it stays: it knows whose certificates are out there.
const revocation =
    mode === "off" && deployed.revocations.size === 0 && deployed.clients.size === 0
        ? undefined
        : new Revocation("revocation", {
              authorities: certificates.trusted,
              issuer,
              names: devices,
              certificates: clientCerts?.pems ?? {},
              devices: clientCerts?.certificates ?? {},
              earlier: deployed.revocations.size > 0 ? undefined : deployed.clientPems,
              before: deployed.revocations,
              known: deployed.devices,
          });

const credentials = new Credentials("credentials", {
    users: settings.users,
    everyone: settings.everyone,
    revoked: revocation?.names ?? [],
    earlier: deployed.passwords,
});

const image = new Image("image", {
    appName: app.appName,
    registry: settings.registry,
    baseImage: settings.baseImage,
    token,
    former: deployed.image?.imageName,
    missing: imageMissing,
});

const broker = new Broker("broker", {
    settings,
    appName: app.appName,
    image: image.repoDigest,
    serverChainPem: certificates.serverChainPem,
    serverKeyPem: certificates.serverKeyPem,
    passwordFile: credentials.passwordFile,
    aclFile: credentials.aclFile,
    clientCaPem: certificates.caPem,
    revocationPem: revocation?.listsPem,
    expiryFile: certificates.expiryFile,
    fileSecrets: fileSecrets(settings, deployed),
    after: [app, ...(edge ? [edge] : [])],
});

const { port, webSocketsPort } = settings;
const { appName, hostname, address } = app;

const logins = pulumi.secret(
    pulumi
        .all([credentials.logins, clientCerts?.verification, revocation?.former])
        .apply(([byPassword, pairs, former = []]) => ({
            ...byPassword,
            // A login as a user would disconnect that user's client and drop its session.
            ...(clientIds === "user" && { users: [] }),
            ...(pairs && {
                certificates: {
                    port: mode === "required" ? port : certificatePort,
                    ...pairs,
                    former,
                },
            }),
        })),
);

const proof = new Verification("verification", {
    address,
    port,
    hostname,
    caPem: certificates.caPem,
    tls,
    webSockets,
    webSocketsPort,
    verifier: credentials.verifier,
    logins,
    proves: [broker.instanceId, broker.secretsVersion, image.digest, ...app.addresses, port],
});

const caFile = keepCaFile(certificates.caPem);
const clients = clientCommands({
    host: settings.connectBy === "address" ? address : hostname,
    port,
    certificatePort: mode === "optional" ? certificatePort : undefined,
    access: settings.users.toSorted(
        (one, other) => Number(one.certificate) - Number(other.certificate),
    ),
    passwords: credentials.passwords,
    caFile: tls === "edge" ? undefined : caFile,
});

// What there is none of is left out: Pulumi warns of an output that is undefined.
export default {
    appName,
    hostname,
    address,
    port,
    tls,
    webSockets,
    url: pulumi.interpolate`mqtts://${hostname}:${port}`,
    ...(webSockets !== "off" && {
        webSocketUrl: pulumi.interpolate`wss://${hostname}:${webSocketsPort}/mqtt`,
    }),
    caCertificatePem: certificates.caPem,
    expiry: certificates.expiry,
    ...(edge && { edgeHostnames: edge.hostnames }),
    machineId: broker.machineId,
    volumeId: broker.volumeId,
    imageDigest: image.digest,
    users: credentials.passwords,
    clientIds,
    verifier: credentials.verifier,
    verificationLogins: logins,
    ...(clientCerts && { clientCertificates: clientCerts.certificates }),
    ...(revocation && { revocations: pulumi.secret(revocation.records) }),
    subscribeCommand: clients.subscribeCommand,
    publishCommand: clients.publishCommand,
    verification: checkedReport({
        endpoint,
        token,
        machine: pulumi.output({
            app: appName,
            machineId: broker.machineId,
            volumeId: broker.volumeId,
            formerVolumeId: deployed.broker?.volumeId,
            instanceId: broker.instanceId,
        }),
        target: pulumi.output({ address, port, hostname, caPem: certificates.caPem, tls }),
        report: proof.report,
    }),
} satisfies { [Key in keyof BrokerOutputs]: pulumi.Input<BrokerOutputs[Key]> };
