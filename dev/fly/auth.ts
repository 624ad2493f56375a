import { timingSafeEqual } from "node:crypto";
import type { DeployToken, LocalState } from "./model/records.ts";

/** Origin of a request. A deploy token is valid for one app. */
export interface Caller {
    app?: string;
}

function same(a: string, b: string): boolean {
    const one = Buffer.from(a);
    const other = Buffer.from(b);
    return one.length === other.length && timingSafeEqual(one, other);
}

/** Finds the caller that a token belongs to; undefined for an unknown token. */
export function callerOf(state: LocalState, token: string): Caller | undefined {
    if (same(token, state.token)) return {};
    const now = Date.now();
    const deploy: DeployToken | undefined = state.deployTokens.find(
        (one) => one.expiresAt > now && same(token, one.token),
    );
    return deploy === undefined ? undefined : { app: deploy.app };
}

/**
 * Reads an Authorization header: `Bearer TOKEN`, or `FlyV1 T1,T2` as clients send macaroons. The first
 * token known to this instance counts.
 */
export function authenticate(state: LocalState, header: string | undefined): Caller | undefined {
    const match = /^(?:Bearer|FlyV1)\s+(.+)$/i.exec(header ?? "");
    for (const token of (match?.[1] ?? "").split(",")) {
        const caller = token.trim() === "" ? undefined : callerOf(state, token.trim());
        if (caller !== undefined) return caller;
    }
    return undefined;
}

/** Reads the password of a Basic Authorization header, whatever the user. */
export function basicPassword(header: string | undefined): string | undefined {
    const match = /^Basic\s+([A-Za-z0-9+/=]+)$/i.exec(header ?? "");
    if (match?.[1] === undefined) return undefined;
    const text = Buffer.from(match[1], "base64").toString();
    const colon = text.indexOf(":");
    return colon < 0 ? undefined : text.slice(colon + 1);
}
