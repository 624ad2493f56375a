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
    const token = configured || process.env.FLY_API_TOKEN;
    if (!token) {
        throw new Error(
            "No Fly token: set FLY_API_TOKEN, or `pulumi config set --secret fly:token TOKEN`.",
        );
    }
    return token;
}

const MACAROON = /^fm(1r|1a|2)_/;

/** Macaroon tokens go by Fly's own scheme, all others as bearers (superfly/fly-go). */
export function authorization(token: string): string {
    const bare = bareToken(token);
    return `${MACAROON.test(bare) ? "FlyV1" : "Bearer"} ${bare}`;
}

/** Without the scheme that `fly tokens create` prints before it. */
export function bareToken(token: string): string {
    return token.trim().replace(/^(FlyV1|Bearer)\s+/i, "");
}
