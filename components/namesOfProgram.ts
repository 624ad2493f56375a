import * as pulumi from "@pulumi/pulumi";

/**
 * Lets a broker take over the stack of a program of version 0.1, which had its components at the top and
 * their resources without prefixes: `mosquitto:certificates:ca` was `ca`, in `certificates`. For the option
 * `transformations` of a MosquittoBroker.
 */
export function namesOfProgram({
    name,
    props,
    opts,
}: pulumi.ResourceTransformationArgs): pulumi.ResourceTransformationResult | undefined {
    const [, part, ...rest] = name.split(":");
    if (part === undefined) return undefined;
    const alias =
        rest.length > 0
            ? { name: rest.join(":") }
            : { name: part, parent: pulumi.rootStackResource };
    return { props, opts: { ...opts, aliases: [...(opts.aliases ?? []), alias] } };
}
