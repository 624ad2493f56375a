/**
 * Manages a public certificate for a custom host name, which Fly issues and renews over ACME once the DNS
 * records exist. It serves ports where Fly's proxy ends TLS (handler `tls`).
 */
import {
    diffProperties,
    failuresOf,
    inputsOf,
    toState,
    type PropertyRules,
    type Provider,
    type WithProvider,
} from "../provider.ts";
import { flyClient, type FlyClient } from "./api/client.ts";
import { FlyError, isAmbiguous } from "./api/errors.ts";
import { hostnameProblem } from "./rules.ts";
import { configure } from "./api/token.ts";
import type { WireCertificate } from "./api/types.ts";
import { deadlineIn, poll } from "./api/wait.ts";

export interface CertificateInputs {
    /** Base of the Machines API. A change is recorded in the state. */
    endpoint: string;
    /** A change replaces the certificate. */
    app: string;
    /** Lowercase; `*.example.com` for a wildcard. A change replaces the certificate. */
    hostname: string;
}

/** DNS records that Fly needs before it can issue the certificate. */
export interface DnsRequirements {
    /** The app's IPv4 addresses. */
    a: string[];
    /** The app's IPv6 addresses. */
    aaaa: string[];
    /** Target of a CNAME record that replaces the addresses. */
    cname: string;
    /** CNAME record for a wildcard, or to get the certificate before the addresses point to the app. */
    acmeChallenge: { name: string; target: string };
    /** TXT record, with either value, for where another server answers at the addresses. */
    ownership: { name: string; appValue: string; orgValue: string };
}

export interface CertificateOutputs extends CertificateInputs {
    /** `pending_validation`, `pending_ownership` or `active`, as of the last refresh: nothing waits for it. */
    status: string;
    /** Whether DNS points to the app. */
    configured: boolean;
    dnsRequirements: DnsRequirements;
}

export const CERTIFICATE_RULES: PropertyRules<CertificateInputs> = {
    endpoint: { effect: "update" },
    app: { effect: "replace" },
    hostname: { effect: "replace" },
};

/** Seconds to look for a certificate whose request got no answer. */
const AGAIN_WITHIN_S = 60;

export const certificate: Provider<CertificateInputs, CertificateOutputs> = {
    configure,

    check(_olds, news) {
        const failures = failuresOf([
            ["hostname", hostnameProblem(news.hostname)],
            ["app", news.app ? undefined : "a certificate needs an app"],
        ]);
        return Promise.resolve({ inputs: news, failures });
    },

    diff(_id, olds, news) {
        const { changed, replaces } = diffProperties(olds, news, CERTIFICATE_RULES);
        return Promise.resolve({ changes: changed.length > 0, replaces });
    },

    async create(inputs) {
        const requested = await ensureCertificate(flyClient(inputs.endpoint), inputs);
        return { id: inputs.hostname, outs: toOutputs(inputs, requested) };
    },

    async read(id, props) {
        if (!props) {
            throw new Error("A certificate's state has no properties: it cannot be read.");
        }
        const found = await findCertificate(flyClient(props.endpoint), props);
        if (!found) {
            return {};
        }
        const inputs = inputsOf<CertificateInputs>(props, CERTIFICATE_RULES);
        return {
            id,
            props: toOutputs(inputs, found),
            inputs: toState(inputs) as CertificateOutputs,
        };
    },

    async update(_id, _olds, news) {
        const found = await findCertificate(flyClient(news.endpoint), news);
        if (!found) {
            throw new Error(
                `The certificate for ${news.hostname} of app "${news.app}" is not at ${news.endpoint}.\n` +
                    "  If someone removed it, run `pulumi up --refresh`.",
            );
        }
        return { outs: toOutputs(news, found) };
    },

    async delete(_id, props) {
        const client = flyClient(props.endpoint);
        const found = await findCertificate(client, props);
        if (!found) {
            return;
        }
        const path = pathOf(props);
        // The host name goes too, unless someone uploaded a certificate of their own for it.
        await client.remove(hasSource(found, "custom") ? [...path, "acme"] : path);
    },
};

function pathOf({ app, hostname }: CertificateInputs): string[] {
    return ["apps", app, "certificates", hostname];
}

/** Requests the certificate unless the app already has one for the host name. */
async function ensureCertificate(
    client: FlyClient,
    inputs: CertificateInputs,
): Promise<WireCertificate> {
    const { app, hostname } = inputs;
    let lost: unknown;
    const requested = await poll(deadlineIn(AGAIN_WITHIN_S), async () => {
        const found = await findCertificate(client, inputs);
        if (found) {
            return found;
        }
        try {
            const path = ["apps", app, "certificates", "acme"];
            return await client.post<WireCertificate>(path, { body: { hostname } });
        } catch (error) {
            if (isAmbiguous(error)) {
                lost = error;
                return undefined;
            }
            if (!(error instanceof FlyError) || error.status !== 422) {
                throw error;
            }
            // "Hostname already exists on app": another run requested it first.
            const meanwhile = await findCertificate(client, inputs);
            if (!meanwhile) {
                throw refused(inputs, error);
            }
            return meanwhile;
        }
    });
    if (!requested) {
        throw lost;
    }
    return requested;
}

function refused({ app, hostname }: CertificateInputs, error: FlyError): Error {
    return new Error(
        `Fly issues no certificate for "${hostname}" in app "${app}": ${error.message}\n` +
            "  Check the host name: it must belong to your domain, and no other app may use it.",
        { cause: error },
    );
}

/** @returns undefined also where the host name has only an uploaded certificate */
async function findCertificate(
    client: FlyClient,
    inputs: CertificateInputs,
): Promise<WireCertificate | undefined> {
    const found = await client.find<WireCertificate>(pathOf(inputs));
    return found && (found.acme_requested || hasSource(found, "fly")) ? found : undefined;
}

function hasSource({ certificates }: WireCertificate, source: "custom" | "fly"): boolean {
    return (certificates ?? []).some((one) => one.source === source);
}

function toOutputs(
    inputs: WithProvider<CertificateInputs>,
    found: WireCertificate,
): CertificateOutputs {
    const { a, aaaa, cname, acme_challenge: challenge, ownership } = found.dns_requirements ?? {};
    return toState({
        ...inputs,
        status: found.status ?? "",
        configured: found.configured ?? false,
        dnsRequirements: {
            a: [...(a ?? [])],
            aaaa: [...(aaaa ?? [])],
            cname: cname ?? "",
            acmeChallenge: { name: challenge?.name ?? "", target: challenge?.target ?? "" },
            ownership: {
                name: ownership?.name ?? "",
                appValue: ownership?.app_value ?? "",
                orgValue: ownership?.org_value ?? "",
            },
        },
    });
}
