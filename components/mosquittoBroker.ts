import * as pulumi from "@pulumi/pulumi";
import { fileSecrets } from "../config/fileSize.ts";
import { checkSettings, type Checked } from "../config/index.ts";
import type { BrokerOutputs } from "../config/outputs.ts";
import type { WrittenSettings } from "../config/stackSettings.ts";
import { Broker } from "./broker.ts";
import { Certificates } from "./certificates.ts";
import { clientCertificates } from "./clientCertificates.ts";
import { clientCommands } from "./clients.ts";
import { Credentials } from "./credentials.ts";
import { edgeCertificates } from "./edgeCertificates.ts";
import { FlyApp } from "./flyApp.ts";
import { Image } from "./image.ts";
import { revocation } from "./revocation.ts";
import { Verification } from "./verification.ts";

/** Each of them known by itself. */
type Outputs = { [Key in keyof BrokerOutputs]: pulumi.Output<BrokerOutputs[Key]> };

/** What `initialize` is given, by the component's options. */
interface Options extends pulumi.ComponentResourceOptions {
    written: WrittenSettings;
}

/**
 * A Mosquitto broker on Fly: an app with its addresses, a volume, and one machine. It is up once a real
 * client has subscribed and published over TLS.
 */
export class MosquittoBroker extends pulumi.ComponentResource<Outputs> {
    /** All outputs, for a program that has one broker: `export default await broker.outputs`. */
    readonly outputs: Promise<Outputs>;

    constructor(
        name: string,
        settings: WrittenSettings,
        opts: pulumi.ComponentResourceOptions = {},
    ) {
        // No inputs: the state would have the passwords once more.
        const options: Options = { ...opts, written: settings };
        super("appkata-mqtt:index:MosquittoBroker", name, {}, options);
        this.outputs = this.getData();
    }

    /** Declares nothing before the settings are checked, which takes some requests. */
    protected override async initialize(
        _args: pulumi.Inputs,
        options: Options,
        name: string,
    ): Promise<Outputs> {
        const { written } = options;
        const checked = await checkSettings(name, written);
        return declareBroker(name, { ...checked, folder: written.folder }, this);
    }
}

function declareBroker(
    name: string,
    { settings, token, deployed, imageMissing, folder }: Checked & { folder: string },
    parent: pulumi.Resource,
): Outputs {
    const opts = { parent };
    const app = new FlyApp(`${name}:fly`, { settings, deployed }, opts);

    const certificates = new Certificates(
        `${name}:certificates`,
        {
            hostname: app.hostname,
            commonName: `${pulumi.getProject()} ${pulumi.getStack()} CA`,
            addresses: app.addresses,
            hostnames: settings.hostnames,
            ...settings.certificate,
            authorities: settings.authorities,
            clientsShutOut: settings.clientsShutOut,
            deployed,
        },
        opts,
    );
    const { issuer, caPem } = certificates;
    const edge = edgeCertificates(`${name}:edge`, { settings, app }, opts);
    const clients = clientCertificates(`${name}:clients`, { settings, issuer }, opts);
    const revoked = revocation(
        `${name}:revocation`,
        { settings, deployed, certificates, clients },
        opts,
    );

    const credentials = new Credentials(
        `${name}:credentials`,
        {
            users: settings.users,
            everyone: settings.everyone,
            revoked: revoked?.names ?? [],
            earlier: deployed.passwords,
        },
        opts,
    );

    const image = new Image(
        `${name}:image`,
        {
            appName: app.appName,
            registry: settings.registry,
            baseImage: settings.baseImage,
            token,
            former: deployed.image?.imageName,
            missing: imageMissing,
        },
        opts,
    );

    const broker = new Broker(
        `${name}:broker`,
        {
            settings,
            appName: app.appName,
            image: image.repoDigest,
            serverChainPem: certificates.serverChainPem,
            serverKeyPem: certificates.serverKeyPem,
            passwordFile: credentials.passwordFile,
            aclFile: credentials.aclFile,
            clientCaPem: caPem,
            revocationPem: revoked?.listsPem,
            expiryFile: certificates.expiryFile,
            fileSecrets: fileSecrets(settings, deployed),
            after: [app, ...(edge ? [edge] : [])],
        },
        opts,
    );

    const verification = new Verification(
        `${name}:verification`,
        {
            settings,
            token,
            app,
            broker,
            imageDigest: image.digest,
            formerVolumeId: deployed.broker?.volumeId,
            caPem,
            credentials,
            clients,
            revocation: revoked,
        },
        opts,
    );

    const { passwords } = credentials;
    const { port, webSocketsPort } = settings;
    const { tls, webSockets, clientIds } = settings.broker;
    const { appName, hostname, address } = app;
    // Omit outputs that do not apply; Pulumi warns about undefined ones.
    return {
        appName,
        hostname,
        address,
        port: pulumi.output(port),
        tls: pulumi.output(tls),
        webSockets: pulumi.output(webSockets),
        url: pulumi.interpolate`mqtts://${hostname}:${port}`,
        ...(webSockets !== "off" && {
            webSocketUrl: pulumi.interpolate`wss://${hostname}:${webSocketsPort}/mqtt`,
        }),
        caCertificatePem: caPem,
        expiry: certificates.expiry,
        ...(edge && { edgeHostnames: edge.hostnames }),
        machineId: broker.machineId,
        volumeId: broker.volumeId,
        imageDigest: image.digest,
        users: passwords,
        clientIds: pulumi.output(clientIds),
        verifier: credentials.verifier,
        verificationLogins: verification.logins,
        ...(clients && { clientCertificates: clients.certificates }),
        ...(revoked && { revocations: pulumi.secret(revoked.records) }),
        ...clientCommands({ settings, app, passwords, caPem, folder }),
        verification: verification.report,
    };
}
