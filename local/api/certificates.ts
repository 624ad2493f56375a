import type { FastifyInstance, FastifyRequest } from "fastify";
import { X509Certificate } from "node:crypto";
import { notFound, rfc3339, unprocessable } from "../errors.ts";
import type { Fly } from "../fly.ts";
import type { AppRecord, CertificateRecord } from "../model/records.ts";
import { bodyOf, queryNumber, requiredString } from "../model/validate.ts";
import { changeApp, readApp } from "./access.ts";

const HOSTNAME = /^(\*\.)?([a-z0-9]([a-z0-9-]*[a-z0-9])?\.)+[a-z]{2,}$/i;

/**
 * What the API tells of a hostname. No certificate authority is asked here: one requested from it
 * stays pending, one that was uploaded is active.
 */
function detail(app: AppRecord, one: CertificateRecord): Record<string, unknown> {
    const custom = one.source === "custom";
    const status = custom ? "active" : "pending_validation";
    const v4 = app.ips.filter((ip) => !ip.ip.includes(":")).map((ip) => ip.ip);
    const v6 = app.ips.filter((ip) => ip.ip.includes(":")).map((ip) => ip.ip);
    return {
        hostname: one.hostname,
        configured: custom,
        acme_requested: !custom,
        status,
        dns_provider: "",
        certificates: custom
            ? [
                  {
                      source: "custom",
                      status,
                      created_at: one.created_at,
                      expires_at: one.expires_at ?? "",
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
                name: `_acme-challenge.${one.hostname}`,
                target: `${one.hostname}.${app.id}.flydns.net`,
            },
            ownership: {
                name: `_fly-ownership.${one.hostname}`,
                app_value: `app-${app.id}`,
                org_value: `org-${app.organization}`,
            },
        },
        validation_errors: [],
    };
}

function summary(one: CertificateRecord): Record<string, unknown> {
    const custom = one.source === "custom";
    return {
        hostname: one.hostname,
        configured: custom,
        acme_requested: !custom,
        acme_dns_configured: false,
        acme_alpn_configured: false,
        acme_http_configured: false,
        ownership_txt_configured: false,
        has_custom_certificate: custom,
        has_fly_certificate: false,
        dns_provider: "",
        status: custom ? "active" : "pending_validation",
        created_at: one.created_at,
        updated_at: one.updated_at,
    };
}

export function certificateRoutes(app: FastifyInstance, fly: Fly): void {
    const path = "/apps/:app/certificates";
    const hostOf = (request: FastifyRequest) => (request.params as { host: string }).host;

    const find = (found: AppRecord, request: FastifyRequest): CertificateRecord => {
        const one = found.certificates.find((each) => each.hostname === hostOf(request));
        if (one === undefined) throw notFound("certificate");
        return one;
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
            ...found.certificates.filter((one) => one.hostname !== hostname),
            made,
        ];
        return detail(found, made);
    };

    app.get(path, (request) => {
        const found = readApp(request);
        const query = request.query as { limit?: string; filter?: string };
        const limit = Math.min(queryNumber(query.limit, "limit") ?? 25, 500);
        const matching = found.certificates.filter((one) =>
            one.hostname.includes(query.filter ?? ""),
        );
        return {
            certificates: matching.slice(0, limit).map(summary),
            next_cursor: "",
            total_count: matching.length,
        };
    });

    app.post(`${path}/acme`, (request, reply) => reply.code(201).send(add(request, "fly")));

    app.post(`${path}/custom`, (request, reply) => {
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

    const remove = (request: FastifyRequest): AppRecord => {
        const found = changeApp(fly, request);
        const one = find(found, request);
        found.certificates = found.certificates.filter((each) => each !== one);
        return found;
    };
    app.delete(`${path}/:host`, (request, reply) => {
        remove(request);
        return reply.code(204).send();
    });
    for (const kind of ["acme", "custom"] as const) {
        app.delete(`${path}/:host/${kind}`, (request) => {
            const one = find(readApp(request), request);
            return detail(remove(request), one);
        });
    }
}
