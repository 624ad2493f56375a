/**
 * Renders the provider code that the state holds, and defines the base class of all dynamic resources.
 *
 * Pulumi's dynamic provider host runs the text in a resource's `__provider`. `pulumi.dynamic.Resource`
 * gets that text by serialising an object, which loads the TypeScript compiler and costs a preview
 * half a second. This text is constant: it imports the real provider (see `host.ts`) and delegates to it.
 * It captures nothing, so neither a token nor a version of the code gets into the state.
 */
import * as pulumi from "@pulumi/pulumi";
import type * as host from "./host.ts";

/** Name of a provider in `host.ts`. */
export type ProviderName = keyof typeof host;

export const METHODS = [
    "configure",
    "check",
    "diff",
    "create",
    "read",
    "update",
    "delete",
] as const;

/** Renders a CommonJS module with `handler()`, as the host loads it. */
export function delegateText(provider: ProviderName): string {
    return [
        `const use = async () => (await import("appkata-mqtt/providers")).${provider};`,
        "exports.handler = () => ({",
        ...METHODS.map((method) => `    ${method}: async (...a) => (await use()).${method}(...a),`),
        "});\n",
    ].join("\n");
}

/** Base of a resource of Pulumi's dynamic provider `pulumi-nodejs`; its type is `…:dynamic/MODULE:PROVIDER`. */
export abstract class DynamicResource extends pulumi.CustomResource {
    constructor(
        module: "fly" | "kept",
        provider: ProviderName,
        name: string,
        props: pulumi.Inputs,
        opts: pulumi.CustomResourceOptions | undefined,
    ) {
        const type = `pulumi-nodejs:dynamic/${module}:${provider}`;
        super(type, name, { ...props, __provider: delegateText(provider) }, opts);
    }
}
