import * as pulumi from "@pulumi/pulumi";
import * as tls from "@pulumi/tls";
import type { BrokerConf } from "../broker/conf.ts";
import type { Pem } from "../verification/target.ts";
import { VERIFIER } from "../verification/verifier.ts";
import { ECDSA_P256, type Authority } from "./authorities.ts";

export interface ClientCertificatesArgs {
    issuer: Authority;
    /** Users that log in with a certificate. */
    names: string[];
    /** Days that a certificate is valid; `up` renews it in the last `renewDays` of them. */
    validDays: number;
    renewDays: number;
}

/** Name that no user can have: user names have no colon. */
const FOREIGN = "verification:foreign";

/**
 * Certificates that clients log in with; the common name is the user. The verification has one of its own,
 * and one with the same name that no CA of the broker signed, to prove that it is refused.
 */
export class ClientCertificates extends pulumi.ComponentResource {
    /** Secret: user name → certificate and key. */
    readonly certificates: pulumi.Output<Record<string, Pem>>;
    /** User name → certificate in PEM. */
    readonly pems: pulumi.Output<Record<string, string>>;
    /** Secret: the verification's own certificate, and one that the broker must refuse. */
    readonly verification: pulumi.Output<{ own: Pem; foreign: Pem }>;

    constructor(
        name: string,
        args: ClientCertificatesArgs,
        opts?: pulumi.ComponentResourceOptions,
    ) {
        super("appkata-mqtt:index:ClientCertificates", name, {}, opts);
        const parent = { parent: this };
        const use = {
            setSubjectKeyId: true,
            allowedUses: ["digital_signature", "client_auth"],
            validityPeriodHours: args.validDays * 24,
            earlyRenewalHours: args.renewDays * 24,
        };
        const issued = (user: string) => {
            const { privateKeyPem } = new tls.PrivateKey(`${name}:${user}`, ECDSA_P256, parent);
            const subject = { commonName: user };
            const request = new tls.CertRequest(
                `${name}:${user}`,
                { privateKeyPem, subject },
                parent,
            );
            const { certPem } = new tls.LocallySignedCert(
                `${name}:${user}`,
                {
                    certRequestPem: request.certRequestPem,
                    caPrivateKeyPem: args.issuer.key.privateKeyPem,
                    caCertPem: args.issuer.certificate.certPem,
                    ...use,
                },
                parent,
            );
            return { certificatePem: certPem, privateKeyPem };
        };
        const foreignKey = new tls.PrivateKey(`${name}:${FOREIGN}`, ECDSA_P256, parent);
        const foreign = new tls.SelfSignedCert(
            `${name}:${FOREIGN}`,
            {
                privateKeyPem: foreignKey.privateKeyPem,
                subject: { commonName: VERIFIER },
                ...use,
            },
            parent,
        );

        const own = Object.fromEntries(args.names.map((user) => [user, issued(user)]));
        this.certificates = pulumi.secret(pulumi.output(own));
        // Picked one by one: from `own` they would be as secret as the keys.
        const pems = Object.entries(own).map(([user, { certificatePem }]) => [
            user,
            certificatePem,
        ]);
        this.pems = pulumi.all(Object.fromEntries(pems) as Record<string, pulumi.Output<string>>);
        this.verification = pulumi.secret(
            pulumi.output({
                own: issued(VERIFIER),
                foreign: {
                    certificatePem: foreign.certPem,
                    privateKeyPem: foreignKey.privateKeyPem,
                },
            }),
        );
        this.registerOutputs({});
    }
}

/** Declares the client certificates; undefined unless clients log in with certificates. */
export function clientCertificates(
    name: string,
    { mode, ...args }: ClientCertificatesArgs & { mode: BrokerConf["clientCertificates"] },
    opts: pulumi.ComponentResourceOptions,
): ClientCertificates | undefined {
    return mode === "off" ? undefined : new ClientCertificates(name, args, opts);
}
