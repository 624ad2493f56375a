import * as pulumi from "@pulumi/pulumi";
import type { BrokerConf } from "../broker/conf.ts";
import { FormerDevices, RevocationList } from "../providers/index.ts";
import type { Device, KnownDevices } from "../providers/kept/formerDevices.ts";
import type { RevocationRecord } from "../providers/kept/revocationList.ts";
import { pack } from "../providers/packed.ts";
import type { Deployed } from "../config/deployed.ts";
import type { Pem } from "../verification/target.ts";
import { authorityName, type Authority } from "./authorities.ts";
import type { Certificates } from "./certificates.ts";
import type { ClientCertificates } from "./clientCertificates.ts";

export interface RevocationArgs {
    /** CAs whose certificates clients log in with. */
    authorities: Authority[];
    /** CA that signs. */
    issuer: Authority;
    /** Users that log in with a certificate. Certificates of everyone else are revoked. */
    names: string[];
    /** Their certificates from the issuer, in PEM by name. */
    certificates: pulumi.Input<Record<string, string>>;
    /** Secret: these certificates with their keys. */
    devices: pulumi.Input<Record<string, Pem>>;
    /** Certificates, of any CA, that the stack had before it had revocation lists. */
    earlier: Record<string, string> | undefined;
    /** Secret: present and former devices of the stack. */
    known: KnownDevices;
    /** Revocation lists of the last `up`, by the CA's generation. */
    before: ReadonlyMap<number, RevocationRecord>;
}

/** Revocation lists, by which the broker refuses certificates of removed users. */
export class Revocation extends pulumi.ComponentResource {
    /** Revocation lists of all CAs, concatenated. */
    readonly listsPem: pulumi.Output<string>;
    /** Users with a revoked certificate. */
    readonly names: pulumi.Output<string[]>;
    /** Secret: removed devices, for the verification. */
    readonly former: pulumi.Output<Device[]>;
    /** Packed records by the CA's generation, from which a list that the state has lost is rebuilt. */
    readonly records: pulumi.Output<Record<string, string>>;

    constructor(name: string, args: RevocationArgs, opts?: pulumi.ComponentResourceOptions) {
        super("appkata-mqtt:index:Revocation", name, {}, opts);
        const parent = { parent: this };
        const lists = args.authorities.map((authority) => {
            const before = args.before.get(authority.generation);
            return new RevocationList(
                `${name}:${authorityName(authority.generation)}`,
                {
                    caCertPem: authority.certificate.certPem,
                    caKeyPem: authority.key.privateKeyPem,
                    // Sorted, so that the order of users changes no list.
                    names: args.names.toSorted(),
                    certificates: authority === args.issuer ? args.certificates : {},
                    ...(args.earlier && { earlier: args.earlier }),
                    ...(before && { before }),
                },
                parent,
            );
        });
        this.listsPem = pulumi
            .all(lists.map(({ revoked, crlPem }) => pulumi.all([revoked, crlPem])))
            .apply((all) => all.map(([revoked, pem]) => listFile(revoked, pem)).join(""));
        this.names = pulumi
            .all(lists.map(({ revoked }) => revoked))
            .apply((all) => [...new Set(all.flat().map(({ name }) => name))]);
        const devices = pulumi
            .output(args.devices)
            .apply((all) => Object.entries(all).map(([name, pair]) => ({ name, ...pair })));
        const former = new FormerDevices(
            `${name}:former`,
            { devices, earlier: args.known },
            parent,
        );
        this.former = former.former;
        const records = lists.map(({ issued, revoked, number, thisUpdate }) =>
            pulumi.output({ issued, revoked, number, thisUpdate }).apply(pack),
        );
        this.records = pulumi
            .all(records)
            .apply((all) =>
                Object.fromEntries(all.map((one, at) => [args.authorities[at]!.generation, one])),
            );
        this.registerOutputs({});
    }
}

export interface RevocationOf {
    /** Whether clients log in with certificates. */
    mode: BrokerConf["clientCertificates"];
    /** Users that log in with a certificate. */
    names: string[];
    /** State left by the last `up`. */
    deployed: Pick<Deployed, "revocations" | "clients" | "clientPems" | "devices">;
    certificates: Pick<Certificates, "trusted" | "issuer">;
    clients: ClientCertificates | undefined;
}

/** Declares the revocation lists; undefined until clients log in with certificates. */
export function revocation(
    name: string,
    { mode, names, deployed, certificates, clients }: RevocationOf,
    opts: pulumi.ComponentResourceOptions,
): Revocation | undefined {
    // Kept from then on, since issued certificates stay valid.
    const before = deployed.revocations.size > 0 || deployed.clients.size > 0;
    if (mode === "off" && !before) return undefined;
    return new Revocation(
        name,
        {
            authorities: certificates.trusted,
            issuer: certificates.issuer,
            names,
            certificates: clients?.pems ?? {},
            devices: clients?.certificates ?? {},
            earlier: deployed.revocations.size > 0 ? undefined : deployed.clientPems,
            before: deployed.revocations,
            known: deployed.devices,
        },
        opts,
    );
}

/**
 * Renders a revocation list with a line above it per revoked certificate. The machine reads these lines to
 * disconnect clients; PEM readers skip them.
 */
export function listFile(
    revoked: readonly { serial: string; name: string }[],
    crlPem: string,
): string {
    const lines = revoked.map(({ serial, name }) => `Revoked: ${serial} ${JSON.stringify(name)}\n`);
    return lines.join("") + crlPem;
}
