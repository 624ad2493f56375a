/** The CAs of a stack, a key and a certificate a generation, and what lets one stand in for another. */
import * as pulumi from "@pulumi/pulumi";
import * as tls from "@pulumi/tls";
import type { Deployed } from "../config/deployed.ts";
import type { ClientsShutOut } from "../config/settings.ts";
import { CA_RENEW_DAYS, CA_VALID_DAYS } from "../config/expiry.ts";

/** A generation of the CA. A certificate that it renews has the same key and the same name. */
export interface Authority {
    generation: number;
    /** The subject's common name, kept once made: renames of stack and project do not change it. */
    commonName: string;
    key: tls.PrivateKey;
    certificate: tls.SelfSignedCert;
}

type Parent = { parent: pulumi.Resource };

export const ECDSA_P256 = { algorithm: "ECDSA", ecdsaCurve: "P256" };

const CA_USE = {
    isCaCertificate: true,
    setSubjectKeyId: true,
    allowedUses: ["cert_signing", "crl_signing"],
    validityPeriodHours: CA_VALID_DAYS * 24,
    earlyRenewalHours: CA_RENEW_DAYS * 24,
};

export interface AuthorityArgs {
    /** What the names of its resources begin with. */
    prefix: string;
    /** Common name of the first generation; the others have their number behind it. */
    commonName: string;
    /** State left by the last `up`. */
    deployed: Deployed;
    clientsShutOut: ClientsShutOut;
}

/** The name of a CA's resources. The first has no number, as before there were others. */
export function authorityName(generation: number): string {
    return generation === 1 ? "ca" : `ca-${generation}`;
}

/**
 * A CA that may only sign. The key of one that clients know is made once: made anew, by whatever
 * cause, it would shut out all of them.
 */
export function makeAuthority(generation: number, args: AuthorityArgs, parent: Parent): Authority {
    const { deployed, clientsShutOut } = args;
    const name = `${args.prefix}:${authorityName(generation)}`;
    const known = deployed.authorities.has(generation) || deployed.published.has(generation);
    const refuses = known && clientsShutOut === "refuse";
    const key = new tls.PrivateKey(name, ECDSA_P256, {
        ...parent,
        ...(refuses && { hooks: { beforeCreate: [keyIsMadeOnce(name, generation)] } }),
    });
    const commonName =
        deployed.commonNames.get(generation) ??
        // Each generation has its own name, or clients would take one for the other.
        `${args.commonName}${generation === 1 ? "" : ` ${generation}`}`;
    const certificate = new tls.SelfSignedCert(
        name,
        { privateKeyPem: key.privateKeyPem, subject: { commonName }, ...CA_USE },
        parent,
    );
    return { generation, commonName, key, certificate };
}

/** Runs where the engine would make the key, in a preview too. */
function keyIsMadeOnce(name: string, generation: number): pulumi.ResourceHook {
    return new pulumi.ResourceHook(
        `${name} is made once`,
        ({ urn }) => {
            throw new Error(
                `CA ${generation} would be a new one, and every client that trusts the present one ` +
                    "would be shut out; nothing was changed.\n" +
                    `  Without --replace it stays, or without its taint: \`pulumi state untaint '${urn}'\`. A key that the ` +
                    "state has lost comes back with `pulumi stack import` of an earlier export.\n" +
                    `  For a new CA without shutting anyone out, trust generations ${generation} and ${generation + 1} ` +
                    "for a while (`appkata-mqtt:caTrusted`, docs/certificates.md). If all clients get the new " +
                    "one at once: `pulumi config set appkata-mqtt:clientsShutOut allow`.",
            );
        },
        { onDryRun: true },
    );
}

/**
 * A second certificate for the issuer's key and name, signed by the other CA. Served after what the
 * issuer signed, it leads a client that trusts only the other CA there; one that trusts the issuer
 * has no need of it.
 */
export function crossSign(
    { prefix, issuer, by }: { prefix: string; issuer: Authority; by: Authority },
    parent: Parent,
): tls.LocallySignedCert {
    const name = `${prefix}:${authorityName(issuer.generation)}`;
    const request = new tls.CertRequest(
        name,
        { privateKeyPem: issuer.key.privateKeyPem, subject: { commonName: issuer.commonName } },
        parent,
    );
    return new tls.LocallySignedCert(
        `${name}-by-${authorityName(by.generation)}`,
        {
            certRequestPem: request.certRequestPem,
            caPrivateKeyPem: by.key.privateKeyPem,
            caCertPem: by.certificate.certPem,
            ...CA_USE,
        },
        parent,
    );
}
