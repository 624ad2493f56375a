import * as docker from "@pulumi/docker";
import * as pulumi from "@pulumi/pulumi";
import { packageFile } from "../lib/packageFile.ts";

export interface ImageArgs {
    appName: pulumi.Input<string>;
    registry: string;
    baseImage: string;
    /** Fly's token: the registry's password. A new one rebuilds nothing. */
    token: string | undefined;
    /** The `REGISTRY/APP:TAG` of the last `up`. */
    former: string | undefined;
    /** The registry has that no more. */
    missing: boolean;
}

/** The broker's image, built from `broker/` and pushed to the app's repository. */
export class Image extends pulumi.ComponentResource {
    /** `REGISTRY/APP@sha256:…`, what the machine runs. */
    readonly repoDigest: pulumi.Output<string>;
    /** `sha256:…` */
    readonly digest: pulumi.Output<string>;

    constructor(name: string, args: ImageArgs, opts?: pulumi.ComponentResourceOptions) {
        super("appkata-mqtt:index:Image", name, {}, opts);
        const image = new docker.Image(
            `${name}:broker`,
            {
                imageName: pulumi.interpolate`${args.registry}/${args.appName}:${tagOf(args)}`,
                build: {
                    context: packageFile("broker"),
                    dockerfile: packageFile("broker/Dockerfile"),
                    platform: "linux/amd64",
                    args: { BASE_IMAGE: args.baseImage },
                },
                registry: {
                    server: args.registry,
                    username: "x",
                    ...(args.token !== undefined && { password: pulumi.secret(args.token) }),
                },
            },
            { parent: this },
        );
        this.repoDigest = image.repoDigest;
        this.digest = image.repoDigest.apply((reference) => reference.split("@").at(-1)!);
        this.registerOutputs({ repoDigest: this.repoDigest });
    }
}

const TAG = "broker";

/** The same as before, or, where the image must be pushed again, the next: `broker`, `broker-2`. */
function tagOf({ former, missing }: ImageArgs): string {
    const [tag = TAG, times = "1"] = /:(broker(?:-(\d+))?)$/.exec(former ?? "")?.slice(1) ?? [];
    return missing ? `${TAG}-${Number(times) + 1}` : tag;
}
