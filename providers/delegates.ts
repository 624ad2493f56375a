/**
 * What the state holds of a provider's code, and the base of every resource that has one.
 *
 * Pulumi's dynamic provider host runs the text in a resource's `__provider`. `pulumi.dynamic.Resource`
 * gets that text by serialising an object, which loads the TypeScript compiler and costs a preview
 * half a second. Ours is constant: it imports the real provider (see `host.ts`) and hands over. It
 * captures nothing, so no token and no version of the code gets into the state.
 */
import * as pulumi from "@pulumi/pulumi";
import type * as host from "./host.ts";

/** A provider by its name in `host.ts`. */
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

/** A CommonJS module with `handler()`, as the host loads it. */
export function delegateText(provider: ProviderName): string {
    return [
        `const use = async () => (await import("appkata-mqtt/providers")).${provider};`,
        "exports.handler = () => ({",
        ...METHODS.map((method) => `    ${method}: async (...a) => (await use()).${method}(...a),`),
        "});\n",
    ].join("\n");
}

/** A resource of Pulumi's dynamic provider `pulumi-nodejs`; its type is `…:dynamic/MODULE:PROVIDER`. */
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
