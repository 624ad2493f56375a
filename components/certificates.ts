import { isIP } from "node:net";
import * as pulumi from "@pulumi/pulumi";
import * as tls from "@pulumi/tls";
import type { Deployed } from "../config/deployed.ts";
import type { Expiry } from "../config/outputs.ts";
import type { ClientsShutOut } from "../config/settings.ts";
import { crossSign, ECDSA_P256, makeAuthority, type Authority } from "./authorities.ts";

export interface CertificatesArgs {
    hostname: pulumi.Input<string>;
    /** Common name of a new CA, the first generation. */
    commonName: string;
    /** IP addresses that the server certificate carries. */
    addresses: pulumi.Input<string>[];
    /** Further names and IP addresses that it carries. */
    hostnames: string[];
    /** Days that the server certificate is valid; `up` renews it in the last `renewDays` of them. */
    validDays: number;
    renewDays: number;
    /**
     * Generations of the CA: those that clients trust, one, or two while one takes over from the
     * other; and which of them signs. A new one is made, one that is left out is gone.
     */
    authorities: { trusted: number[]; issuer: number };
    /** State left by the last `up`. */
    deployed: Deployed;
    clientsShutOut: ClientsShutOut;
}

/**
 * A CA of the broker's own, which may only sign, and the server certificate that it signed. Clients
 * trust the CA, so a renewed server certificate asks nothing of them. While two CAs are trusted, a
 * client that has only one of them connects, whichever it is.
 */
export class Certificates extends pulumi.ComponentResource {
    /** The CA that signs. */
    readonly issuer: Authority;
    /** All that clients trust, the oldest first. */
    readonly trusted: Authority[];
    /** The trusted CAs, the oldest first. */
    readonly caPem: pulumi.Output<string>;
    /** The server certificate, then what leads from it to each trusted CA. */
    readonly serverChainPem: pulumi.Output<string>;
    readonly serverKeyPem: pulumi.Output<string>;
    /** When the server certificate ends, and of each CA the certificate that clients may still have. */
    readonly expiry: pulumi.Output<Expiry>;
    /** The same for the machine: lines `server SECONDS` and `ca-GENERATION SECONDS`. */
    readonly expiryFile: pulumi.Output<string>;

    constructor(name: string, args: CertificatesArgs, opts?: pulumi.ComponentResourceOptions) {
        super("appkata-mqtt:index:Certificates", name, {}, opts);
        const parent = { parent: this };

        const trusted = args.authorities.trusted
            .toSorted((one, other) => one - other)
            .map((generation) => makeAuthority(generation, { prefix: name, ...args }, parent));
        const issuer = trusted.find(({ generation }) => generation === args.authorities.issuer)!;
        const crossed = trusted
            .filter((authority) => authority !== issuer)
            .map((other) => crossSign({ prefix: name, issuer, by: other }, parent));

        const serverKey = new tls.PrivateKey(`${name}:server`, ECDSA_P256, parent);
        const request = new tls.CertRequest(
            `${name}:server`,
            {
                privateKeyPem: serverKey.privateKeyPem,
                subject: { commonName: args.hostname },
                dnsNames: [args.hostname, ...args.hostnames.filter((name) => isIP(name) === 0)],
                ipAddresses: [
                    ...args.addresses,
                    ...args.hostnames.filter((name) => isIP(name) > 0),
                ],
            },
            parent,
        );
        const server = new tls.LocallySignedCert(
            `${name}:server`,
            {
                certRequestPem: request.certRequestPem,
                caPrivateKeyPem: issuer.key.privateKeyPem,
                caCertPem: issuer.certificate.certPem,
                setSubjectKeyId: true,
                allowedUses: ["digital_signature", "server_auth"],
                validityPeriodHours: args.validDays * 24,
                earlyRenewalHours: args.renewDays * 24,
            },
            parent,
        );

        this.issuer = issuer;
        this.trusted = trusted;
        this.caPem = joined(trusted.map(({ certificate }) => certificate.certPem));
        // The issuer's own certificate beside the cross-signed one would be a dead end: OpenSSL takes
        // one of them and does not come back for the other.
        const rest = crossed.length > 0 ? crossed : [issuer.certificate];
        this.serverChainPem = joined([server, ...rest].map(({ certPem }) => certPem));
        this.serverKeyPem = serverKey.privateKeyPem;
        this.expiry = pulumi.output({
            server: server.validityEndTime.apply((end) => earlier(undefined, end)),
            ca: Object.fromEntries(
                trusted.map(({ generation, certificate }) => [
                    generation,
                    certificate.validityEndTime.apply((end) =>
                        earlier(args.deployed.authorities.get(generation)?.held, end),
                    ),
                ]),
            ),
        });
        this.expiryFile = this.expiry.apply(({ server, ca }) => {
            const line = (name: string, end: string) =>
                `${name} ${Math.floor(Date.parse(end) / 1000)}\n`;
            const cas = Object.entries(ca).map(([generation, end]) =>
                line(`ca-${generation}`, end),
            );
            return [line("server", server), ...cas].join("");
        });
        this.registerOutputs({ caPem: this.caPem });
    }
}

function joined(pems: pulumi.Output<string>[]): pulumi.Output<string> {
    return pulumi.all(pems).apply((all) => all.join(""));
}

/** The earlier of the two, in ISO 8601. */
function earlier(one: Date | undefined, other: string): string {
    return new Date(Math.min(one?.getTime() ?? Infinity, Date.parse(other))).toISOString();
}
