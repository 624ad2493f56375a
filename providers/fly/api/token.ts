/** Finds Fly's token: in the stack's config, else in the environment. */
import type { dynamic } from "@pulumi/pulumi";

let configured: string | undefined;

/** Stores the token from the stack's config. Never fails, since other resources need no token. */
export function configure(request: dynamic.ConfigureRequest): Promise<void> {
    configured = request.config.get("fly:token");
    return Promise.resolve();
}

/** @throws Error where there is no token */
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
 * Prefers the stack's `fly:token` to the environment's FLY_API_TOKEN.
 * @returns the normalised token; undefined where there is none
 */
export function chooseToken(
    fromConfig: string | undefined,
    fromEnvironment: string | undefined = process.env.FLY_API_TOKEN,
): string | undefined {
    return normaliseToken(fromConfig) ?? normaliseToken(fromEnvironment);
}

/** Matches schemes before a token, and a scheme alone, which is no token. */
const SCHEMES = /^(?:(?:FlyV1|Bearer)(?:\s+|$))+/i;

/**
 * Strips a token of the scheme that `fly tokens create` prints before it, and of spaces around it. The
 * registry's password and `authorization` need the token alone.
 * @returns undefined for an empty token
 */
export function normaliseToken(token: string | undefined): string | undefined {
    return token?.trim().replace(SCHEMES, "") || undefined;
}

const MACAROON = /^fm(1r|1a|2)_/;

/**
 * Renders the Authorization header: Fly's own scheme for macaroon tokens, Bearer for others (superfly/fly-go).
 * @param token normalised
 */
export function authorization(token: string): string {
    return `${MACAROON.test(token) ? "FlyV1" : "Bearer"} ${token}`;
}
