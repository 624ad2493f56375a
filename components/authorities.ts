/** Declares a stack's CAs, one key and certificate per generation, and cross-signed certificates between them. */
import * as pulumi from "@pulumi/pulumi";
import * as tls from "@pulumi/tls";
import type { Deployed } from "../config/deployed.ts";
import type { Settings } from "../config/settings.ts";
import { CA_RENEW_DAYS, CA_VALID_DAYS } from "../config/expiry.ts";

/** One generation of the CA. Renewing its certificate keeps the key and the name. */
export interface Authority {
    generation: number;
    /** Common name of the subject. Renaming the stack or the project does not change it. */
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
    /** Prefix of the resources' names. */
    prefix: string;
    /** Common name of the first generation; the others append their number. */
    commonName: string;
    /** State left by the last `up`. */
    deployed: Pick<Deployed, "authorities" | "published" | "commonNames">;
    clientsShutOut: Settings["clientsShutOut"];
}

/** Name of a CA's resources. The first generation has no number, as in the versions before there were others. */
export function authorityName(generation: number): string {
    return generation === 1 ? "ca" : `ca-${generation}`;
}

/**
 * Declares a CA that may only sign. Refuses to replace the key of a CA that clients know, whatever the
 * cause, unless `clientsShutOut` is `allow`: a new key would lock out all of them.
 */
export function makeAuthority(generation: number, args: AuthorityArgs, parent: Parent): Authority {
    const { deployed, clientsShutOut } = args;
    const name = `${args.prefix}:${authorityName(generation)}`;
    const known = deployed.authorities.has(generation) || deployed.published.has(generation);
    const isKeyProtected = known && clientsShutOut === "refuse";
    const key = new tls.PrivateKey(name, ECDSA_P256, {
        ...parent,
        ...(isKeyProtected && { hooks: { beforeCreate: [keyIsMadeOnce(name, generation)] } }),
    });
    const commonName =
        deployed.commonNames.get(generation) ??
        // A name per generation, or clients would confuse them.
        `${args.commonName}${generation === 1 ? "" : ` ${generation}`}`;
    const certificate = new tls.SelfSignedCert(
        name,
        { privateKeyPem: key.privateKeyPem, subject: { commonName }, ...CA_USE },
        parent,
    );
    return { generation, commonName, key, certificate };
}

/** Fails where the engine would create the key, in a preview too. */
function keyIsMadeOnce(name: string, generation: number): pulumi.ResourceHook {
    return new pulumi.ResourceHook(
        `${name} is made once`,
        ({ urn }) => {
            throw new Error(
                `The key of CA ${generation} would be replaced, which would lock out every client that trusts it; ` +
                    "nothing was changed.\n" +
                    `  To keep it, run without --replace, or remove its taint: \`pulumi state untaint '${urn}'\`. To restore ` +
                    "a key that the state has lost, `pulumi stack import` an earlier export.\n" +
                    `  To change the CA without locking anyone out, trust generations ${generation} and ${generation + 1} ` +
                    "for a while (`appkata-mqtt:caTrusted`, docs/certificates.md). If all clients get the new " +
                    "one at once: `pulumi config set appkata-mqtt:clientsShutOut allow`.",
            );
        },
        { onDryRun: true },
    );
}

/**
 * Cross-signs the issuer: a second certificate for its key and name, signed by the other CA. Served with
 * the server certificate, it lets a client connect that trusts only the other CA; a client that trusts the
 * issuer ignores it.
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
