import * as pulumi from "@pulumi/pulumi";
import type { Deployed } from "../config/deployed.ts";
import type { Settings } from "../config/settings.ts";
import { App, IpAddress, Name } from "../providers/index.ts";
import { MAX_PREFIX } from "../providers/kept/name.ts";

export interface FlyAppArgs {
    settings: Settings;
    deployed: Deployed;
    /** What a name that is made for the app begins with. */
    prefix: string;
}

/** Fly's app with its name and its addresses: all that must exist before a certificate names it. */
export class FlyApp extends pulumi.ComponentResource {
    readonly appName: pulumi.Output<string>;
    /** `APP.fly.dev` */
    readonly hostname: pulumi.Output<string>;
    /** As Fly assigned them; a dedicated IPv4 first, where there is one. */
    readonly addresses: pulumi.Output<string>[];
    /** All of them, the shared one too: what DNS is to say of a name that leads here. */
    readonly allAddresses: pulumi.Output<string>[];
    /** Where the broker is reached: an address of its own, else the shared one. */
    readonly address: pulumi.Output<string>;

    constructor(
        name: string,
        { settings, deployed, prefix }: FlyAppArgs,
        opts?: pulumi.ComponentResourceOptions,
    ) {
        super("appkata-mqtt:index:FlyApp", name, {}, opts);
        const parent = { parent: this };
        const { endpoint, imports } = settings;
        const { appName: current } = deployed;

        // In the state before Fly is asked, so that a killed `up` makes no second app.
        const made =
            settings.appName === undefined
                ? new Name(
                      `${name}:app`,
                      { prefix: namePrefix(prefix), ...(current && { current }) },
                      parent,
                  )
                : undefined;
        // An older version's `--replace` of the name made another one, which the app never had.
        const wantedName = settings.appName ?? current ?? made!.name;

        const app = new App(
            `${name}:app`,
            {
                endpoint,
                name: wantedName,
                organization: settings.organization,
                owner: { project: pulumi.getProject(), stack: pulumi.getStack() },
                onReplace: settings.volume.onReplace === "discard" ? "discard" : "refuse",
                ...(imports.app !== undefined && { importId: imports.app }),
                ...protection(settings),
            },
            // The volume is gone with its app.
            { ...parent, retainOnDelete: settings.volume.retain },
        );
        this.appName = app.name;
        // Derived from the name, which a preview knows even where it replaces the app.
        this.hostname = pulumi.interpolate`${app.name}.fly.dev`;

        const types = [
            ...(settings.addresses.ipv4 ? (["v4"] as const) : []),
            ...(settings.addresses.ipv6 ? (["v6"] as const) : []),
        ];
        this.addresses = types.map((type) => {
            const importId = imports[type];
            const args = { endpoint, app: app.name, type, ...(importId && { importId }) };
            return new IpAddress(`${name}:${type}`, args, parent).address;
        });
        const shared = settings.addresses.sharedIpv4
            ? new IpAddress(
                  `${name}:shared_v4`,
                  { endpoint, app: app.name, type: "shared_v4" },
                  parent,
              )
            : undefined;
        this.allAddresses = [...this.addresses, ...(shared ? [shared.address] : [])];
        // Whoever verifies has an IPv4 sooner than an IPv6.
        const byIpv4 = settings.addresses.ipv4 || settings.broker.tls !== "edge";
        this.address = (byIpv4 ? this.addresses[0] : shared?.address) ?? this.addresses[0]!;
        this.registerOutputs({ appName: this.appName, hostname: this.hostname });
    }
}

/** The setting that keeps data, and clients' access, from being deleted. */
export function protection({ volume, place }: Settings): { protectedBy?: string } {
    if (!volume.protect) return {};
    const inFile = place.endsWith(".yaml");
    return { protectedBy: inFile ? "appkata-mqtt:protectVolume" : `protectVolume of ${place}` };
}

/** Names of projects, stacks and components may have what an app's may not. */
function namePrefix(name: string): string {
    return name
        .toLowerCase()
        .replaceAll(/[^a-z0-9]+/g, "-")
        .slice(0, MAX_PREFIX)
        .replace(/-$/, "");
}
