/** Warnings about certificates that are about to expire. */
import type { Deployed } from "./deployed.ts";
import type { Settings } from "./settings.ts";

const DAY_MS = 24 * 3600 * 1000;

/** Days that a CA certificate is valid, and days before its end from which `up` renews it. */
export const CA_VALID_DAYS = 10 * 365;
export const CA_RENEW_DAYS = 365;

/**
 * Lists certificates that expire within `expiryWarningDays`, one line each, with what happens next. A
 * renewed CA keeps its key and name, so clients with the old certificate connect until that expires:
 * the warning comes when the CA is renewed, and again before the old certificate expires.
 */
export function expiryWarnings(deployed: Deployed, settings: Settings, now: Date): string[] {
    const { renewDays, warnDays } = settings.certificate;
    const warnings: string[] = [];
    const within = (end: Date, days: number) => end.getTime() - now.getTime() <= days * DAY_MS;
    const renewal = (end: Date, whenNow: string) => {
        if (within(end, renewDays)) return `\`pulumi up\` renews it, ${whenNow}`;
        const from = dateOf(new Date(end.getTime() - renewDays * DAY_MS));
        return `\`pulumi up\` renews it from ${from} on (certificateRenewDays: ${renewDays})`;
    };
    const { server } = deployed;
    if (server !== undefined && within(server, warnDays)) {
        const renewed = renewal(server, "clients have nothing to do");
        warnings.push(`the server certificate ${endsOn(server, now)}; ${renewed}`);
    }
    for (const { name } of settings.users.filter(({ certificate }) => certificate)) {
        const end = deployed.clients.get(name);
        if (end === undefined || !within(end, warnDays)) continue;
        const renewed = renewal(
            end,
            `give ${name} the new one (output clientCertificates) by then`,
        );
        warnings.push(`the client certificate of ${name} ${endsOn(end, now)}; ${renewed}`);
    }
    for (const generation of settings.authorities.trusted) {
        const authority = deployed.authorities.get(generation);
        if (authority === undefined) continue;
        const way =
            "give clients certs/STACK/rootCA.pem (output caCertificatePem), or let a new CA take over";
        if (within(authority.end, CA_RENEW_DAYS)) {
            warnings.push(
                `the certificate of CA ${generation} ${endsOn(authority.end, now)}; \`pulumi up\` ` +
                    `renews it with the same key. Clients that have the old one can connect until it ends: ${way}`,
            );
        } else if (within(authority.held, warnDays)) {
            warnings.push(
                `a certificate of CA ${generation} that clients may still have ` +
                    `${endsOn(authority.held, now)}; it has been renewed: ${way}`,
            );
        }
    }
    return warnings;
}

function endsOn(end: Date, now: Date): string {
    const days = Math.floor((end.getTime() - now.getTime()) / DAY_MS);
    if (days < 0) return `ended on ${dateOf(end)}`;
    return `ends on ${dateOf(end)}, in ${days} ${days === 1 ? "day" : "days"}`;
}

function dateOf(date: Date): string {
    return date.toISOString().slice(0, 10);
}
