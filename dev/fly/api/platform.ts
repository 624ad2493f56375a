import type { FastifyInstance } from "fastify";
import { bodyOf, optionalNumber, optionalString, requiredString } from "../model/validate.ts";
import { NEAREST, REGIONS } from "../model/regions.ts";

/** Routes of regions (the only one without authentication) and of placements. */
export function platformRoutes(app: FastifyInstance): void {
    // The live API writes these two keys in PascalCase, contrary to its own specification.
    app.get("/platform/regions", () => ({
        Regions: REGIONS.map((region) => ({
            ...region,
            gateway_available: true,
            requires_paid_plan: false,
            deprecated: false,
        })),
        Nearest: NEAREST,
    }));

    app.post("/platform/placements", (request) => {
        const body = bodyOf(request.body);
        requiredString(body, "org_slug");
        const count = optionalNumber(body, "count") ?? 1;
        const region = optionalString(body, "region")?.split(",")[0];
        const chosen = REGIONS.some((one) => one.code === region) ? region : NEAREST;
        return { Regions: [{ Region: chosen, Count: count, Concurrency: 1 }] };
    });
}
