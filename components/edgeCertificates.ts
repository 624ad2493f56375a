import { isIPv6 } from "node:net";
import * as pulumi from "@pulumi/pulumi";
import type { BrokerConf } from "../broker/conf.ts";
import type { EdgeHostname } from "../config/outputs.ts";
import { Certificate } from "../providers/index.ts";
import type { DnsRequirements } from "../providers/fly/certificate.ts";
import type { FlyApp } from "./flyApp.ts";

export interface EdgeCertificatesArgs {
    endpoint: string;
    /** App whose addresses the DNS records point to. */
    app: FlyApp;
    hostnames: string[];
}

/**
 * Public certificates for custom host names, where Fly's edge ends TLS. Fly issues each once DNS points to
 * the app. Nobody can set DNS before the first `up`, so a missing certificate is a warning and not waited for.
 */
export class EdgeCertificates extends pulumi.ComponentResource {
    /** By host name. */
    readonly hostnames: pulumi.Output<Record<string, EdgeHostname>>;

    constructor(name: string, args: EdgeCertificatesArgs, opts?: pulumi.ComponentResourceOptions) {
        super("appkata-mqtt:index:EdgeCertificates", name, {}, opts);
        const { endpoint, app } = args;
        const made = args.hostnames.map((hostname) => {
            const options = { parent: this, dependsOn: app };
            const asked = { endpoint, app: app.appName, hostname };
            const { status, dnsRequirements } = new Certificate(
                `${name}:${hostname}`,
                asked,
                options,
            );
            return pulumi
                .all([status, dnsRequirements, pulumi.all(app.allAddresses)])
                .apply(async ([status, dns, addresses]): Promise<[string, EdgeHostname]> => {
                    const records = recordsOf(hostname, addresses, dns);
                    if (status !== "active") await pulumi.log.warn(notIssued(hostname, status));
                    return [hostname, { status, records }];
                });
        });
        this.hostnames = pulumi.all(made).apply((all) => Object.fromEntries(all));
        this.registerOutputs({});
    }
}

/** Declares the edge certificates; undefined unless Fly's edge ends TLS for custom host names. */
export function edgeCertificates(
    name: string,
    { tls, webSockets, ...args }: EdgeCertificatesArgs & Pick<BrokerConf, "tls" | "webSockets">,
    opts: pulumi.ComponentResourceOptions,
): EdgeCertificates | undefined {
    const atEdge = tls === "edge" || webSockets === "edge";
    if (!atEdge || args.hostnames.length === 0) return undefined;
    return new EdgeCertificates(name, args, opts);
}

function notIssued(hostname: string, status: string): string {
    return (
        `Fly has no certificate for ${hostname} yet (${status}), so no client can connect by that name: ` +
        "set the DNS records in the output edgeHostnames; `pulumi up --refresh` checks again"
    );
}

/**
 * Lists the DNS records to set. A and AAAA serve clients and Fly's check; CNAME and TXT let Fly issue the
 * certificate before those point to the app. Takes the addresses from the app, not from Fly's answer: that
 * is read only at create and refresh, and still lists an address that this `up` releases.
 */
function recordsOf(
    hostname: string,
    addresses: string[],
    { acmeChallenge, ownership }: Pick<DnsRequirements, "acmeChallenge" | "ownership">,
): string[] {
    const [v6, v4] = [addresses.filter(isIPv6), addresses.filter((one) => !isIPv6(one))];
    const records = [
        ...v4.map((address) => [hostname, "A", address]),
        ...v6.map((address) => [hostname, "AAAA", address]),
        [acmeChallenge.name, "CNAME", acmeChallenge.target],
        [ownership.name, "TXT", ownership.appValue],
    ];
    return records
        .filter(([name, , value]) => name !== "" && value !== "")
        .map((words) => words.join(" "));
}
