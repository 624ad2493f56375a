import type { FastifyInstance } from "fastify";
import type { Fly } from "../fly.ts";
import { readApp } from "./access.ts";

/**
 * Serves what `fly logs` reads (superfly/flyctl `logs`): the last lines of the app's machines or of one
 * `instance`. It is not part of the Machines API, so it has its own prefix and JSON:API's format.
 */
export function logRoutes(app: FastifyInstance, fly: Fly): void {
    app.get("/apps/:app/logs", async (request) => {
        const found = readApp(request);
        const { instance } = request.query as { instance?: string };
        const machines = Object.values(request.view.machines).filter(
            ({ id, app: of }) => of === found.name && (instance ?? id) === id,
        );
        const entries = await Promise.all(
            machines.map(async ({ id, region, container }) =>
                (await fly.logs.of(id, container)).map(({ at, text }) => ({
                    timestamp: at,
                    message: text,
                    level: "info",
                    instance: id,
                    region,
                    meta: { instance: id, region, event: { provider: "app" } },
                })),
            ),
        );
        const sorted = entries.flat().toSorted((a, b) => (a.timestamp < b.timestamp ? -1 : 1));
        return {
            data: sorted.map((attributes, at) => ({ id: String(at), type: "log", attributes })),
            meta: { next_token: sorted.at(-1)?.timestamp ?? "" },
        };
    });
}
