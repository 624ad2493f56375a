import * as docker from "@pulumi/docker";
import * as pulumi from "@pulumi/pulumi";
import { packageFile } from "../lib/packageFile.ts";

export interface ImageArgs {
    appName: pulumi.Input<string>;
    registry: string;
    baseImage: string;
    /** Fly's token, which is the registry's password. A change rebuilds nothing. */
    token: string | undefined;
    /** Image of the last `up`, `REGISTRY/APP:TAG`. */
    former: string | undefined;
    /** Whether the registry has lost that image. */
    missing: boolean;
}

/** The broker's image, built from `broker/image/` and pushed to the app's repository. */
export class Image extends pulumi.ComponentResource {
    /** Image that the machine runs, `REGISTRY/APP@sha256:…`. */
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
                    context: packageFile("broker/image"),
                    dockerfile: packageFile("broker/image/Dockerfile"),
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

/** Keeps the former tag, or takes the next (`broker`, `broker-2`) where the image must be pushed again. */
function tagOf({ former, missing }: ImageArgs): string {
    const [tag = TAG, times = "1"] = /:(broker(?:-(\d+))?)$/.exec(former ?? "")?.slice(1) ?? [];
    return missing ? `${TAG}-${Number(times) + 1}` : tag;
}
