import type { FastifyInstance, FastifyRequest } from "fastify";
import { X509Certificate } from "node:crypto";
import { notFound, rfc3339, unprocessable } from "../errors.ts";
import type { Fly } from "../fly.ts";
import type { AppRecord, CertificateRecord } from "../model/records.ts";
import { bodyOf, queryNumber, requiredString } from "../model/validate.ts";
import { changeApp, readApp } from "./access.ts";

const HOSTNAME = /^(\*\.)?([a-z0-9]([a-z0-9-]*[a-z0-9])?\.)+[a-z]{2,}$/i;

/**
 * Describes a hostname that has a requested certificate, an uploaded one, or both. Requested ones stay
 * pending, since no authority is contacted; uploaded ones are active.
 */
function detail(app: AppRecord, all: readonly CertificateRecord[]): Record<string, unknown> {
    const hostname = all[0]?.hostname ?? "";
    const custom = all.find((one) => one.source === "custom");
    const v4 = app.ips.filter((ip) => !ip.ip.includes(":")).map((ip) => ip.ip);
    const v6 = app.ips.filter((ip) => ip.ip.includes(":")).map((ip) => ip.ip);
    return {
        hostname,
        ...stateOf(all),
        dns_provider: "",
        certificates: custom
            ? [
                  {
                      source: "custom",
                      status: "active",
                      created_at: custom.created_at,
                      expires_at: custom.expires_at ?? "",
                      issuer: "",
                      issued: [],
                  },
              ]
            : [],
        validation: {
            dns_configured: false,
            alpn_configured: false,
            http_configured: false,
            ownership_txt_configured: false,
        },
        dns_requirements: {
            a: v4,
            aaaa: v6,
            cname: `${app.name}.fly.dev`,
            acme_challenge: {
                name: `_acme-challenge.${hostname}`,
                target: `${hostname}.${app.id}.flydns.net`,
            },
            ownership: {
                name: `_fly-ownership.${hostname}`,
                app_value: `app-${app.id}`,
                org_value: `org-${app.organization}`,
            },
        },
        validation_errors: [],
    };
}

function stateOf(all: readonly CertificateRecord[]) {
    const custom = all.some((one) => one.source === "custom");
    return {
        configured: custom,
        acme_requested: all.some((one) => one.source === "fly"),
        status: custom ? "active" : "pending_validation",
    };
}

function summary(all: readonly CertificateRecord[]): Record<string, unknown> {
    return {
        hostname: all[0]?.hostname ?? "",
        ...stateOf(all),
        acme_dns_configured: false,
        acme_alpn_configured: false,
        acme_http_configured: false,
        ownership_txt_configured: false,
        has_custom_certificate: all.some((one) => one.source === "custom"),
        has_fly_certificate: false,
        dns_provider: "",
        created_at: all[0]?.created_at ?? "",
        updated_at: all.at(-1)?.updated_at ?? "",
    };
}

export function certificateRoutes(app: FastifyInstance, fly: Fly): void {
    const path = "/apps/:app/certificates";
    const hostOf = (request: FastifyRequest) => (request.params as { host: string }).host;

    const of = (found: AppRecord, hostname: string) =>
        found.certificates.filter((one) => one.hostname === hostname);
    const find = (found: AppRecord, request: FastifyRequest): CertificateRecord[] => {
        const all = of(found, hostOf(request));
        if (all.length === 0) throw notFound("certificate");
        return all;
    };

    const add = (
        request: FastifyRequest,
        source: CertificateRecord["source"],
        expires?: string,
    ): Record<string, unknown> => {
        const found = changeApp(fly, request);
        const hostname = requiredString(bodyOf(request.body), "hostname").toLowerCase();
        if (!HOSTNAME.test(hostname)) throw unprocessable(`Hostname ${hostname} is invalid`);
        const now = rfc3339(Date.now());
        const made: CertificateRecord = {
            hostname,
            source,
            created_at: now,
            updated_at: now,
            ...(expires === undefined ? {} : { expires_at: expires }),
        };
        found.certificates = [
            ...found.certificates.filter(
                (one) => one.hostname !== hostname || one.source !== source,
            ),
            made,
        ];
        return detail(found, of(found, hostname));
    };

    app.get(path, (request) => {
        const found = readApp(request);
        const query = request.query as { limit?: string; filter?: string };
        const limit = Math.min(queryNumber(query.limit, "limit") ?? 25, 500);
        const hostnames = new Set(found.certificates.map((one) => one.hostname));
        const matching = [...hostnames].filter((name) => name.includes(query.filter ?? ""));
        return {
            certificates: matching.slice(0, limit).map((name) => summary(of(found, name))),
            next_cursor: "",
            total_count: matching.length,
        };
    });

    app.post(`${path}/acme`, (request, reply) => reply.code(201).send(add(request, "fly")));

    app.post(`${path}/custom`, (request, reply) => {
        changeApp(fly, request);
        const body = bodyOf(request.body);
        const chain = requiredString(body, "fullchain");
        requiredString(body, "private_key");
        let expires: string;
        try {
            expires = rfc3339(new Date(new X509Certificate(chain).validTo));
        } catch {
            throw unprocessable("fullchain is not a PEM certificate");
        }
        return reply.code(201).send(add(request, "custom", expires));
    });

    app.get(`${path}/:host`, (request) => {
        const found = readApp(request);
        return detail(found, find(found, request));
    });

    app.post(`${path}/:host/check`, (request) => {
        const found = changeApp(fly, request);
        return { ...detail(found, find(found, request)), dns_records: {} };
    });

    app.delete(`${path}/:host`, (request, reply) => {
        const found = changeApp(fly, request);
        const all = find(found, request);
        found.certificates = found.certificates.filter((one) => !all.includes(one));
        return reply.code(204).send();
    });
    for (const [kind, source] of [
        ["acme", "fly"],
        ["custom", "custom"],
    ] as const) {
        app.delete(`${path}/:host/${kind}`, (request) => {
            const found = changeApp(fly, request);
            const all = find(found, request);
            const left = all.filter((one) => one.source !== source);
            if (left.length === all.length) throw notFound("certificate");
            found.certificates = found.certificates.filter(
                (one) => !all.includes(one) || left.includes(one),
            );
            return detail(found, left.length > 0 ? left : all);
        });
    }
}
