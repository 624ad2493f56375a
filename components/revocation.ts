import * as pulumi from "@pulumi/pulumi";
import { FormerDevices, RevocationList } from "../providers/index.ts";
import type { Device, KnownDevices } from "../providers/kept/formerDevices.ts";
import type { RevocationRecord } from "../providers/kept/revocationList.ts";
import { pack } from "../providers/packed.ts";
import type { Deployed } from "../config/deployed.ts";
import type { Settings } from "../config/settings.ts";
import type { Pem } from "../verification/target.ts";
import { authorityName, type Authority } from "./authorities.ts";
import type { Certificates } from "./certificates.ts";
import { deviceNames, type ClientCertificates } from "./clientCertificates.ts";

export interface RevocationArgs {
    /** Those by whose certificates clients log in, and the one that signs. */
    authorities: Authority[];
    issuer: Authority;
    /** Users that log in with a certificate. All other certificates of the CAs' are revoked. */
    names: string[];
    /** Those that the issuer has signed for them, in PEM by name. */
    certificates: pulumi.Input<Record<string, string>>;
    /** Secret: the same with their keys. */
    devices: pulumi.Input<Record<string, Pem>>;
    /** Those that the stack has from before it had lists, of whichever CA. */
    earlier: Record<string, string> | undefined;
    /** Secret: devices that the stack has, and former ones. */
    known: KnownDevices;
    /** The lists of the last `up`, by the CA's generation. */
    before: ReadonlyMap<number, RevocationRecord>;
}

/** What keeps those out who have a certificate and are no longer to log in with it. */
export class Revocation extends pulumi.ComponentResource {
    /** The list of each CA, one after the other. */
    readonly listsPem: pulumi.Output<string>;
    /** Whose certificates are on one of them. */
    readonly names: pulumi.Output<string[]>;
    /** Secret: devices that were removed, for the verification. */
    readonly former: pulumi.Output<Device[]>;
    /** Records from which a list that the state has lost is made again, packed, by the CA's generation. */
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
                    // Users that change places change no list.
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
    settings: Settings;
    deployed: Deployed;
    certificates: Certificates;
    clients: ClientCertificates | undefined;
}

/** That of a stack: none until clients log in with certificates. */
export function revocation(
    name: string,
    { settings, deployed, certificates, clients }: RevocationOf,
    opts: pulumi.ComponentResourceOptions,
): Revocation | undefined {
    // Once there is one it stays: it knows whose certificates are out there.
    const before = deployed.revocations.size > 0 || deployed.clients.size > 0;
    if (settings.clientCertificates.mode === "off" && !before) return undefined;
    return new Revocation(
        name,
        {
            authorities: certificates.trusted,
            issuer: certificates.issuer,
            names: deviceNames(settings.users),
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
 * The list with a line above it for each certificate on it: by them the machine finds whom to cut off,
 * and all else that reads PEM passes them over.
 */
export function listFile(
    revoked: readonly { serial: string; name: string }[],
    crlPem: string,
): string {
    const lines = revoked.map(({ serial, name }) => `Revoked: ${serial} ${JSON.stringify(name)}\n`);
    return lines.join("") + crlPem;
}
