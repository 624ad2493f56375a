import * as pulumi from "@pulumi/pulumi";

/**
 * Aliases each resource to its name in version 0.1, so that a broker takes over such a stack. There the
 * components were at the top, and resources had no prefix: `mosquitto:certificates:ca` was `ca`, in
 * `certificates`. Pass it in the option `transformations` of a MosquittoBroker.
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
