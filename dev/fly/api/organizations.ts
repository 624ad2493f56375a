import type { FastifyInstance } from "fastify";
import { notFound } from "../errors.ts";
import { machineBody, volumeBody } from "../model/wire.ts";
import { OWN_ORGANIZATION } from "../state.ts";
import { organizationSlug } from "./access.ts";

/** Routes of the organisation-wide lists. They need no cursors: everything is on the first page. */
export function organizationRoutes(app: FastifyInstance): void {
    const own = (params: unknown): void => {
        const { slug } = params as { slug: string };
        if (organizationSlug(slug) !== OWN_ORGANIZATION.slug) throw notFound("organization");
    };
    app.get("/orgs/:slug/machines", (request) => {
        own(request.params);
        const machines = Object.values(request.view.machines)
            .filter((machine) => machine.state !== "destroyed")
            .map((machine) => ({
                ...machineBody(machine, { summary: true }),
                app_name: machine.app,
                config: {
                    image: machine.config.image,
                    guest: machine.config.guest,
                    metadata: machine.config.metadata ?? {},
                },
            }));
        return { machines, next_cursor: "" };
    });
    app.get("/orgs/:slug/volumes", (request) => {
        own(request.params);
        const volumes = Object.values(request.view.volumes).map((volume) => ({
            ...volumeBody(volume),
            app_name: volume.app,
        }));
        return { volumes, next_cursor: "" };
    });
}
