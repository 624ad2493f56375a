/** The CAs of a stack, a key and a certificate a generation, and what lets one stand in for another. */
import * as pulumi from "@pulumi/pulumi";
import * as tls from "@pulumi/tls";
import { CA_RENEW_DAYS, CA_VALID_DAYS } from "../config/expiry.ts";

/** A generation of the CA. A certificate that it renews has the same key and the same name. */
export interface Authority {
    generation: number;
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

/** The name of a CA's resources. The first has no number, as before there were others. */
export function authorityName(generation: number): string {
    return generation === 1 ? "ca" : `ca-${generation}`;
}

/** What its certificate says. Each has its own, or clients would take one for the other. */
function subjectOf(generation: number): { commonName: string } {
    const number = generation === 1 ? "" : ` ${generation}`;
    return { commonName: `${pulumi.getProject()} ${pulumi.getStack()} CA${number}` };
}

/** A CA that may only sign. */
export function makeAuthority(generation: number, parent: Parent): Authority {
    const name = authorityName(generation);
    const key = new tls.PrivateKey(name, ECDSA_P256, parent);
    const certificate = new tls.SelfSignedCert(
        name,
        { privateKeyPem: key.privateKeyPem, subject: subjectOf(generation), ...CA_USE },
        parent,
    );
    return { generation, key, certificate };
}

/**
 * A second certificate for the issuer's key and name, signed by the other CA. Served after what the
 * issuer signed, it leads a client that trusts only the other CA there; one that trusts the issuer
 * has no need of it.
 */
export function crossSign(issuer: Authority, by: Authority, parent: Parent): tls.LocallySignedCert {
    const request = new tls.CertRequest(
        authorityName(issuer.generation),
        { privateKeyPem: issuer.key.privateKeyPem, subject: subjectOf(issuer.generation) },
        parent,
    );
    return new tls.LocallySignedCert(
        `${authorityName(issuer.generation)}-by-${authorityName(by.generation)}`,
        {
            certRequestPem: request.certRequestPem,
            caPrivateKeyPem: by.key.privateKeyPem,
            caCertPem: by.certificate.certPem,
            ...CA_USE,
        },
        parent,
    );
}
