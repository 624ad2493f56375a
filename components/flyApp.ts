import * as pulumi from "@pulumi/pulumi";
import type { BrokerConf } from "../broker/conf.ts";
import type { Settings, VolumeSettings } from "../config/settings.ts";
import { App, IpAddress, Name } from "../providers/index.ts";
import { MAX_PREFIX } from "../providers/kept/name.ts";

export interface FlyAppArgs extends Pick<
    Settings,
    "endpoint" | "organization" | "appName" | "addresses" | "imports"
> {
    /** Prefix of a generated app name. */
    prefix: string;
    /** Name of the stack's app; undefined before the first `up`. */
    current: string | undefined;
    /** Where TLS of MQTT ends; Fly's shared address serves only the edge's. */
    tls: BrokerConf["tls"];
    volume: Pick<VolumeSettings, "onReplace" | "retain">;
    /** Setting that protects the app. */
    protectedBy?: string;
}

/** The Fly app with its name and addresses, which must exist before a certificate can name them. */
export class FlyApp extends pulumi.ComponentResource {
    readonly appName: pulumi.Output<string>;
    /** `APP.fly.dev` */
    readonly hostname: pulumi.Output<string>;
    /** Dedicated addresses, an IPv4 first. */
    readonly addresses: pulumi.Output<string>[];
    /** All addresses, with the shared one, for DNS records of custom host names. */
    readonly allAddresses: pulumi.Output<string>[];
    /** Address that clients use: a dedicated one, else the shared one. */
    readonly address: pulumi.Output<string>;

    constructor(name: string, args: FlyAppArgs, opts?: pulumi.ComponentResourceOptions) {
        super("appkata-mqtt:index:FlyApp", name, {}, opts);
        const parent = { parent: this };
        const { endpoint, addresses, imports, current } = args;

        // Saved before Fly is called, so a killed `up` creates no second app.
        const made =
            args.appName === undefined
                ? new Name(
                      `${name}:app`,
                      { prefix: namePrefix(args.prefix), ...(current && { current }) },
                      parent,
                  )
                : undefined;
        // In older versions a `--replace` of the name generated another one, which the app never had.
        const wantedName = args.appName ?? current ?? made!.name;

        const app = new App(
            `${name}:app`,
            {
                endpoint,
                name: wantedName,
                organization: args.organization,
                owner: { project: pulumi.getProject(), stack: pulumi.getStack() },
                onReplace: args.volume.onReplace === "discard" ? "discard" : "refuse",
                ...(imports.app !== undefined && { importId: imports.app }),
                ...(args.protectedBy !== undefined && { protectedBy: args.protectedBy }),
            },
            // Deleting the app would delete a retained volume.
            { ...parent, retainOnDelete: args.volume.retain },
        );
        this.appName = app.name;
        // Derived from the name, which a preview knows even where it replaces the app.
        this.hostname = pulumi.interpolate`${app.name}.fly.dev`;

        const types = [
            ...(addresses.ipv4 ? (["v4"] as const) : []),
            ...(addresses.ipv6 ? (["v6"] as const) : []),
        ];
        this.addresses = types.map((type) => {
            const importId = imports[type];
            const args = { endpoint, app: app.name, type, ...(importId && { importId }) };
            return new IpAddress(`${name}:${type}`, args, parent).address;
        });
        const shared = addresses.sharedIpv4
            ? new IpAddress(
                  `${name}:shared_v4`,
                  { endpoint, app: app.name, type: "shared_v4" },
                  parent,
              )
            : undefined;
        this.allAddresses = [...this.addresses, ...(shared ? [shared.address] : [])];
        // The verifier is more likely to have IPv4 than IPv6.
        const byIpv4 = addresses.ipv4 || args.tls !== "edge";
        this.address = (byIpv4 ? this.addresses[0] : shared?.address) ?? this.addresses[0]!;
        this.registerOutputs({ appName: this.appName, hostname: this.hostname });
    }
}

/** Replaces characters that an app's name cannot have, unlike names of projects, stacks and components. */
function namePrefix(name: string): string {
    return name
        .toLowerCase()
        .replaceAll(/[^a-z0-9]+/g, "-")
        .slice(0, MAX_PREFIX)
        .replace(/-$/, "");
}
