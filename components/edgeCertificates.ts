import { isIPv6 } from "node:net";
import * as pulumi from "@pulumi/pulumi";
import type { EdgeHostname } from "../config/outputs.ts";
import type { Settings } from "../config/settings.ts";
import { Certificate } from "../providers/index.ts";
import type { DnsRequirements } from "../providers/fly/certificate.ts";
import type { FlyApp } from "./flyApp.ts";

export interface EdgeCertificatesArgs {
    endpoint: string;
    /** Its addresses are what DNS has to say. */
    app: FlyApp;
    hostnames: string[];
}

/**
 * Public certificates for host names of one's own, where Fly's edge ends TLS. Fly gets each once DNS
 * leads to the app, which nobody can set before the first `up`: it is told, and not waited for.
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
                    if (status !== "active") await pulumi.log.warn(waiting(hostname, status));
                    return [hostname, { status, records }];
                });
        });
        this.hostnames = pulumi.all(made).apply((all) => Object.fromEntries(all));
        this.registerOutputs({});
    }
}

/** Those that a stack has: none unless Fly's edge ends TLS for names of one's own. */
export function edgeCertificates(
    name: string,
    { settings, app }: { settings: Settings; app: FlyApp },
    opts: pulumi.ComponentResourceOptions,
): EdgeCertificates | undefined {
    const { endpoint, hostnames, broker } = settings;
    const atEdge = broker.tls === "edge" || broker.webSockets === "edge";
    if (!atEdge || hostnames.length === 0) return undefined;
    return new EdgeCertificates(name, { endpoint, app, hostnames }, opts);
}

function waiting(hostname: string, status: string): string {
    return (
        `Fly has no certificate for ${hostname} yet (${status}), so no client connects by that name: ` +
        "set what the output edgeHostnames says in its DNS; `pulumi up --refresh` looks again"
    );
}

/**
 * The addresses for clients and for Fly's check; the others let Fly have it before those lead there. Fly
 * lists addresses too, but a certificate is looked at when it is made and when it is refreshed, and one
 * that an `up` releases is there until its very end.
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
