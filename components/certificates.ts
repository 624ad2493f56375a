import * as pulumi from "@pulumi/pulumi";
import * as tls from "@pulumi/tls";

export interface CertificatesArgs {
    hostname: pulumi.Input<string>;
    /** IP addresses that the server certificate carries. */
    addresses: pulumi.Input<string>[];
    /** Further names that it carries. */
    hostnames: string[];
    /** Days that the server certificate is valid; `up` renews it in the last `renewDays` of them. */
    validDays: number;
    renewDays: number;
}

const CA_YEARS = 10;

/**
 * A CA of the broker's own, which may only sign, and the server certificate that it signed. Clients
 * trust the CA, so a renewed server certificate asks nothing of them.
 */
export class Certificates extends pulumi.ComponentResource {
    readonly caPem: pulumi.Output<string>;
    /** The server certificate, then the CA. */
    readonly serverChainPem: pulumi.Output<string>;
    readonly serverKeyPem: pulumi.Output<string>;

    constructor(name: string, args: CertificatesArgs, opts?: pulumi.ComponentResourceOptions) {
        super("appkata-mqtt:index:Certificates", name, {}, opts);
        const parent = { parent: this };
        const ecdsaP256 = { algorithm: "ECDSA", ecdsaCurve: "P256" };

        const caKey = new tls.PrivateKey("ca", ecdsaP256, parent);
        const ca = new tls.SelfSignedCert(
            "ca",
            {
                privateKeyPem: caKey.privateKeyPem,
                subject: { commonName: `${pulumi.getProject()} ${pulumi.getStack()} CA` },
                isCaCertificate: true,
                setSubjectKeyId: true,
                allowedUses: ["cert_signing", "crl_signing"],
                validityPeriodHours: CA_YEARS * 365 * 24,
                earlyRenewalHours: 365 * 24,
            },
            parent,
        );

        const serverKey = new tls.PrivateKey("server", ecdsaP256, parent);
        const request = new tls.CertRequest(
            "server",
            {
                privateKeyPem: serverKey.privateKeyPem,
                subject: { commonName: args.hostname },
                dnsNames: [args.hostname, ...args.hostnames],
                ipAddresses: args.addresses,
            },
            parent,
        );
        const server = new tls.LocallySignedCert(
            "server",
            {
                certRequestPem: request.certRequestPem,
                caPrivateKeyPem: caKey.privateKeyPem,
                caCertPem: ca.certPem,
                setSubjectKeyId: true,
                allowedUses: ["digital_signature", "server_auth"],
                validityPeriodHours: args.validDays * 24,
                earlyRenewalHours: args.renewDays * 24,
            },
            parent,
        );

        this.caPem = ca.certPem;
        this.serverChainPem = pulumi.concat(server.certPem, ca.certPem);
        this.serverKeyPem = serverKey.privateKeyPem;
        this.registerOutputs({ caPem: this.caPem });
    }
}
