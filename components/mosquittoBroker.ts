import * as pulumi from "@pulumi/pulumi";
import { fileSecrets } from "../config/fileSize.ts";
import type { MosquittoBrokerArgs } from "../config/args.ts";
import { checkSettings, type Checked } from "../config/index.ts";
import type { BrokerOutputs } from "../config/outputs.ts";
import type { Settings } from "../config/settings.ts";
import type { WrittenSettings } from "../config/stackSettings.ts";
import { Broker } from "./broker.ts";
import { checkedWithOthers } from "./brokers.ts";
import { Certificates } from "./certificates.ts";
import { clientCertificates } from "./clientCertificates.ts";
import { Credentials } from "./credentials.ts";
import { edgeCertificates } from "./edgeCertificates.ts";
import { FlyApp } from "./flyApp.ts";
import { Image } from "./image.ts";
import { outputsOf, type Outputs } from "./outputs.ts";
import { revocation } from "./revocation.ts";
import { Verification } from "./verification.ts";

/** Passes the settings to `initialize` in the component's options. */
interface Options extends pulumi.ComponentResourceOptions {
    settings: MosquittoBrokerArgs | WrittenSettings;
}

/**
 * A Mosquitto broker on Fly: an app with its addresses, a volume, and one machine. `up` succeeds only once a real
 * client has subscribed and published over TLS. A program may have several brokers, each with its own name.
 *
 * @example
 * const broker = new MosquittoBroker("london", { region: "lhr", users: [{ name: "ada", everything: true }] });
 * export const { url, caCertificatePem, users } = broker;
 */
export class MosquittoBroker extends pulumi.ComponentResource<Outputs> {
    /** All outputs, without those that do not apply: `export default await broker.outputs`. */
    readonly outputs: Promise<Outputs>;
    /** Name of the Fly app. */
    readonly appName: pulumi.Output<string>;
    /** `APP.fly.dev` */
    readonly hostname: pulumi.Output<string>;
    /** IP address at which clients reach the broker. */
    readonly address: pulumi.Output<string>;
    /** `mqtts://HOSTNAME:PORT` */
    readonly url: pulumi.Output<string>;
    /** `wss://HOSTNAME:PORT/mqtt`; undefined unless clients may use WebSockets. */
    readonly webSocketUrl: pulumi.Output<string | undefined>;
    /** The CAs that clients trust, the oldest first. */
    readonly caCertificatePem: pulumi.Output<string>;
    readonly machineId: pulumi.Output<string>;
    readonly volumeId: pulumi.Output<string>;
    /** `sha256:…` */
    readonly imageDigest: pulumi.Output<string>;
    /** Secret: user name → password, of users that log in with one. */
    readonly users: pulumi.Output<BrokerOutputs["users"]>;
    /** Secret: user name → certificate and key; undefined unless clients log in with certificates. */
    readonly clientCertificates: pulumi.Output<BrokerOutputs["clientCertificates"]>;
    /** DNS records and status of `hostnames` at Fly's edge; undefined unless it ends TLS. */
    readonly edgeHostnames: pulumi.Output<BrokerOutputs["edgeHostnames"]>;
    /** Expiry of the server's and the CAs' certificates. */
    readonly expiry: pulumi.Output<BrokerOutputs["expiry"]>;
    /** Secret, since it carries a password; for `mosquitto_sub`. */
    readonly subscribeCommand: pulumi.Output<string>;
    /** Secret, since it carries a password; for `mosquitto_pub`. */
    readonly publishCommand: pulumi.Output<string>;
    /** Report of the verification, one line per step; known once the broker is proved. */
    readonly verification: pulumi.Output<string>;

    /**
     * @param name prefix of the resources' names; without a colon
     * @param settings arguments in the program, or `stackSettings()` for those in the stack's file
     */
    constructor(
        name: string,
        settings: MosquittoBrokerArgs | WrittenSettings,
        opts: pulumi.ComponentResourceOptions = {},
    ) {
        // No inputs: they would duplicate the passwords in the state.
        const options: Options = { ...opts, settings };
        super("appkata-mqtt:index:MosquittoBroker", name, {}, options);
        this.outputs = this.getData();
        const output = <Key extends keyof BrokerOutputs>(key: Key) =>
            pulumi.output(this.outputs.then((all) => all[key])) as unknown as pulumi.Output<
                BrokerOutputs[Key]
            >;
        this.appName = output("appName");
        this.hostname = output("hostname");
        this.address = output("address");
        this.url = output("url");
        this.webSocketUrl = output("webSocketUrl");
        this.caCertificatePem = output("caCertificatePem");
        this.machineId = output("machineId");
        this.volumeId = output("volumeId");
        this.imageDigest = output("imageDigest");
        this.users = output("users");
        this.clientCertificates = output("clientCertificates");
        this.edgeHostnames = output("edgeHostnames");
        this.expiry = output("expiry");
        this.subscribeCommand = output("subscribeCommand");
        this.publishCommand = output("publishCommand");
        this.verification = output("verification");
    }

    /** Declares the broker once the settings of all brokers in the program are checked. */
    protected override async initialize(
        _args: pulumi.Inputs,
        { settings }: Options,
        name: string,
    ): Promise<Outputs> {
        const checked = await checkedWithOthers(name, checkSettings(name, settings));
        const outputs = declareBroker(name, checked, this);
        // A broker that owns the stack has them in the stack's outputs.
        const kept = checked.written.ownsStack
            ? {}
            : { kept: pulumi.secret(pulumi.jsonStringify(outputs)) };
        this.registerOutputs(kept);
        return outputs;
    }
}

function declareBroker(
    name: string,
    { written, settings, token, deployed, imageMissing }: Checked,
    parent: pulumi.Resource,
): Outputs {
    const opts = { parent };
    // Base of the names that are made once: the app's and the CA's.
    const title = [pulumi.getProject(), pulumi.getStack(), ...(written.ownsStack ? [] : [name])];
    const { endpoint, registry, users, everyone, hostnames, volume, imports } = settings;
    const { ports, guest, metrics } = settings;
    const { tls, webSockets, clientCertificates: mode } = settings.broker;
    const devices = users.filter(({ certificate }) => certificate).map(({ name }) => name);
    const protection = protectionOf(settings);

    const app = new FlyApp(
        `${name}:fly`,
        {
            appName: settings.appName,
            current: deployed.appName,
            prefix: title.join("-"),
            organization: settings.organization,
            addresses: settings.addresses,
            ...{ endpoint, tls, volume, imports, ...protection },
        },
        opts,
    );

    const certificates = new Certificates(
        `${name}:certificates`,
        {
            hostname: app.hostname,
            addresses: app.addresses,
            commonName: `${title.join(" ")} CA`,
            authorities: settings.authorities,
            clientsShutOut: settings.clientsShutOut,
            ...settings.certificate,
            ...{ hostnames, deployed },
        },
        opts,
    );
    const { issuer, caPem } = certificates;
    const edge = edgeCertificates(
        `${name}:edge`,
        { endpoint, app, hostnames, tls, webSockets },
        opts,
    );
    const clients = clientCertificates(
        `${name}:clients`,
        { mode, issuer, names: devices, ...settings.certificate },
        opts,
    );
    const revoked = revocation(
        `${name}:revocation`,
        { mode, names: devices, deployed, certificates, clients },
        opts,
    );

    const credentials = new Credentials(
        `${name}:credentials`,
        { users, everyone, revoked: revoked?.names ?? [], earlier: deployed.passwords },
        opts,
    );

    const image = new Image(
        `${name}:image`,
        {
            appName: app.appName,
            baseImage: settings.baseImage,
            former: deployed.image?.imageName,
            missing: imageMissing,
            ...{ registry, token },
        },
        opts,
    );

    const broker = new Broker(
        `${name}:broker`,
        {
            appName: app.appName,
            region: settings.region,
            machineName: settings.machineName,
            machine: { guest, metrics, ports, broker: settings.broker },
            image: image.repoDigest,
            files: {
                "server.crt": certificates.serverChainPem,
                "server.key": certificates.serverKeyPem,
                passwd: credentials.passwordFile,
                acl: credentials.aclFile,
                expiry: certificates.expiryFile,
                ...(mode !== "off" && {
                    "client-ca.crt": caPem,
                    "client-ca.crl": revoked!.listsPem,
                }),
            },
            fileSecrets: fileSecrets(settings, deployed),
            logsEndpoint: settings.logsEndpoint,
            after: [app, ...(edge ? [edge] : [])],
            ...{ endpoint, volume, imports, ...protection },
        },
        opts,
    );

    const verification = new Verification(
        `${name}:verification`,
        {
            conf: settings.broker,
            imageDigest: image.digest,
            formerVolumeId: deployed.broker?.volumeId,
            revocation: revoked,
            ...{ endpoint, token, ports, app, broker, caPem, credentials, clients },
        },
        opts,
    );

    return outputsOf({
        ...{ settings, app, certificates, edge, clients, revoked, credentials, image, broker },
        ...{ verification, folder: written.folder },
    });
}

/** Names the setting that protects data and clients' access from deletion, where it is on. */
function protectionOf({ volume, place }: Settings): { protectedBy?: string } {
    if (!volume.protect) return {};
    const inFile = place.endsWith(".yaml");
    return { protectedBy: inFile ? "appkata-mqtt:protectVolume" : `protectVolume of ${place}` };
}
