import type { FastifyInstance } from "fastify";
import { loopbackAddress, privateAddress } from "../addresses.ts";
import { badRequest, invalidArgument, notFound } from "../errors.ts";
import type { Fly } from "../fly.ts";
import type { IpRecord } from "../model/records.ts";
import { isRegion } from "../model/regions.ts";
import { bodyOf, optionalString, requiredString } from "../model/validate.ts";
import { ipBody } from "../model/wire.ts";
import { changeApp, readApp } from "./access.ts";

const TYPES = ["v4", "v6", "shared_v4", "private_v6", "egress_v4", "egress_v6", "egress_pair"];

/** Maps an IPv4 address to IPv6, so that it is reachable without setting up an interface. */
function mapped(address: string): string {
    return `::ffff:${address}`;
}

export function ipRoutes(app: FastifyInstance, fly: Fly): void {
    const { data } = fly.store;

    const taken = () =>
        new Set(
            Object.values(data.apps).flatMap((one) =>
                one.ips.flatMap((ip) => (ip.listen === undefined ? [] : [ip.listen])),
            ),
        );

    const allocate = (type: string, appName: string, region: string): IpRecord => {
        const created_at = new Date().toISOString();
        const seed = `${fly.instance}/${appName}/${type}`;
        if (type === "private_v6") {
            return { ip: privateAddress(seed), type, region, shared: false, created_at };
        }
        if (type === "shared_v4") {
            // One address for the whole instance, as a shared address of Fly's serves many apps.
            const listen = loopbackAddress(`${fly.instance}/shared`, new Set());
            return { ip: listen, type, region, shared: true, created_at, listen };
        }
        const listen = loopbackAddress(seed, taken());
        const ip = type.endsWith("v6") ? mapped(listen) : listen;
        const routed = !type.startsWith("egress");
        return {
            ip,
            type,
            region,
            shared: false,
            created_at,
            ...(routed ? { listen } : {}),
        };
    };

    app.get("/apps/:app/ip_assignments", (request) => ({
        ips: readApp(request).ips.map(ipBody),
    }));

    app.post("/apps/:app/ip_assignments", (request) => {
        const found = changeApp(fly, request);
        const body = bodyOf(request.body);
        const type = requiredString(body, "type");
        if (!TYPES.includes(type)) throw invalidArgument(`invalid type: ${type}`);
        if (optionalString(body, "org_slug") !== undefined && type !== "private_v6") {
            throw badRequest("org_slug is only supported with private_v6 type");
        }
        const region = optionalString(body, "region");
        if (region !== undefined && region !== "global" && !isRegion(region)) {
            throw invalidArgument(`invalid region: ${region}`);
        }
        if (type === "egress_pair") {
            const v4 = allocate("egress_v4", found.name, region ?? "global");
            const v6 = allocate("egress_v6", found.name, region ?? "global");
            found.ips.push(v4, v6);
            return { ...ipBody(v4), ip_pair: { v4: v4.ip, v6: v6.ip } };
        }
        const shared = found.ips.find((ip) => ip.type === "shared_v4");
        if (type === "shared_v4" && shared !== undefined) return ipBody(shared);
        const made = allocate(type, found.name, region ?? "global");
        const service = optionalString(body, "service_name");
        if (service !== undefined) made.service_name = service;
        const network = optionalString(body, "network");
        if (network !== undefined) made.network = network;
        found.ips.push(made);
        fly.edge.sync();
        return ipBody(made);
    });

    app.delete("/apps/:app/ip_assignments/:ip", (request, reply) => {
        const found = changeApp(fly, request);
        const { ip } = request.params as { ip: string };
        if (!found.ips.some((one) => one.ip === ip)) throw notFound("ip assignment");
        found.ips = found.ips.filter((one) => one.ip !== ip);
        fly.edge.sync();
        return reply.code(204).send();
    });
}
