/** The token: from the stack's config as the engine hands it over, else from the environment. */
import type { dynamic } from "@pulumi/pulumi";

let configured: string | undefined;

/** Takes what `configure` brings; never fails, since a preview of other things needs no token. */
export function configure(request: dynamic.ConfigureRequest): Promise<void> {
    configured = request.config.get("fly:token");
    return Promise.resolve();
}

/** @throws when there is none */
export function flyToken(): string {
    const token = chooseToken(configured);
    if (token === undefined) {
        throw new Error(
            "No Fly token: set FLY_API_TOKEN, or `pulumi config set --secret fly:token TOKEN`.",
        );
    }
    return token;
}

/**
 * Which token counts: the stack's `fly:token`, and only without one the environment's FLY_API_TOKEN.
 * @returns it normalised, or `undefined` when there is none
 */
export function chooseToken(
    fromConfig: string | undefined,
    fromEnvironment: string | undefined = process.env.FLY_API_TOKEN,
): string | undefined {
    return normaliseToken(fromConfig) ?? normaliseToken(fromEnvironment);
}

/** With nothing after it too, so that a scheme alone is no token. */
const SCHEMES = /^(?:(?:FlyV1|Bearer)(?:\s+|$))+/i;

/**
 * The token alone, as the registry's password is and as `authorization` takes it: without the scheme
 * that `fly tokens create` prints before it, and without spaces around it.
 * @returns `undefined` for an empty one
 */
export function normaliseToken(token: string | undefined): string | undefined {
    return token?.trim().replace(SCHEMES, "") || undefined;
}

const MACAROON = /^fm(1r|1a|2)_/;

/**
 * The header's value: macaroon tokens go by Fly's own scheme, all others as bearers (superfly/fly-go).
 * @param token a normalised one
 */
export function authorization(token: string): string {
    return `${MACAROON.test(token) ? "FlyV1" : "Bearer"} ${token}`;
}
