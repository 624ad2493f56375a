import { isIP } from "node:net";
import * as pulumi from "@pulumi/pulumi";
import * as tls from "@pulumi/tls";
import type { Expiry } from "../config/outputs.ts";
import {
    crossSign,
    ECDSA_P256,
    makeAuthority,
    type Authority,
    type AuthorityArgs,
} from "./authorities.ts";

export interface CertificatesArgs extends Omit<AuthorityArgs, "prefix"> {
    hostname: pulumi.Input<string>;
    /** IP addresses that the server certificate carries. */
    addresses: pulumi.Input<string>[];
    /** Further names and IP addresses in the server certificate. */
    hostnames: string[];
    /** Days that the server certificate is valid; `up` renews it in the last `renewDays` of them. */
    validDays: number;
    renewDays: number;
    /**
     * CA generations that clients trust (one, or two during a change of CA), and the one that signs. A new
     * generation is created; one that is left out is deleted.
     */
    authorities: { trusted: number[]; issuer: number };
}

/**
 * The broker's own CA and the server certificate that it signs. Clients trust the CA, so they need nothing
 * when the server certificate is renewed. While two CAs are trusted, a client that has either one connects.
 */
export class Certificates extends pulumi.ComponentResource {
    /** CA that signs. */
    readonly issuer: Authority;
    /** CAs that clients trust, oldest first. */
    readonly trusted: Authority[];
    /** Certificates of the trusted CAs in PEM, oldest first. */
    readonly caPem: pulumi.Output<string>;
    /** Server certificate in PEM, followed by its chain to each trusted CA. */
    readonly serverChainPem: pulumi.Output<string>;
    readonly serverKeyPem: pulumi.Output<string>;
    /** Expiry of the server certificate, and of the oldest certificate of each CA that clients may still have. */
    readonly expiry: pulumi.Output<Expiry>;
    /** Expiry times for the machine, in seconds since 1970: lines `server SECONDS` and `ca-GENERATION SECONDS`. */
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
        // Never both the issuer's own certificate and the cross-signed one: OpenSSL tries one of them and
        // does not go back to the other.
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
