import assert from "node:assert/strict";
import { preflight } from "../../providers/fly/preflight.ts";
import { LOWERCASE } from "./support/regions.ts";
import { startScriptedServer, type ScriptedServer } from "./support/scriptedServer.ts";

describe("preflight of a stack that has an app", () => {
    let server: ScriptedServer | undefined;

    afterEach(async () => {
        await server?.close();
        server = undefined;
    });

    const deployed = { app: "my-app", machineId: "m1", volumeId: "vol_1" };
    const services = [{ protocol: "tcp", internal_port: 1883, ports: [{ port: 10000 }] }];
    const config = (volume: string) => ({ services, mounts: [{ volume, path: "/data" }] });
    const machine = (id: string, volume: string, more = {}) => ({
        ...{
            id,
            name: id,
            state: "started",
            region: "lhr",
            created_at: "2026-11-01T00:00:00Z",
        },
        ...{ config: config(volume), ...more },
    });
    const volume = (id: string, more = {}) => ({
        ...{ id, name: "mosquitto_data", state: "created", size_gb: 1, region: "lhr" },
        ...more,
    });

    /** The warnings, and the requests for them. */
    async function warned(
        machines: { id: string }[],
        volumes: { id: string }[],
    ): Promise<string[]> {
        await server?.close();
        const bodies = new Map<string, unknown>([
            ["/v1/platform/regions", LOWERCASE],
            ["/v1/apps/my-app/machines", machines],
            ["/v1/apps/my-app/volumes", volumes],
            ["/v1/apps/my-app", { machine_count: machines.length, volume_count: volumes.length }],
        ]);
        server = await startScriptedServer(({ path }) => ({ body: bodies.get(path) }));
        const found = await preflight({
            ...{ endpoint: server.endpoint, token: "t", region: "lhr" },
            ...{ organization: "personal", deployed },
        });
        assert.deepEqual(found.problems, []);
        return found.warnings;
    }

    for (const status of [401, 403]) {
        it(`tells once that Fly refuses the token (${status})`, async () => {
            server = await startScriptedServer(({ path }) =>
                path === "/v1/platform/regions"
                    ? { body: LOWERCASE }
                    : { status, body: { error: "no" } },
            );
            const volume = { app: "my-app", id: "vol_1", name: "mosquitto_data", region: "lhr" };
            const { problems } = await preflight({
                ...{ endpoint: server.endpoint, token: "t", region: "lhr" },
                ...{ organization: "personal", deployed, volume },
            });
            assert.equal(problems.length, 1, problems.join("\n"));
        });
    }

    it("takes the same two requests if it holds one machine and one volume", async () => {
        assert.deepEqual(await warned([machine("m1", "vol_1")], [volume("vol_1")]), []);
        assert.equal(server?.calls.length, 2);
    });

    it("warns of a clone and its volume, each with what is known and the command", async () => {
        const [clone, empty, ...more] = await warned(
            [machine("m1", "vol_1"), machine("m2", "vol_2")],
            [volume("vol_1"), volume("vol_2", { attached_machine_id: "m2", bytes_used: 1 })],
        );
        assert.match(
            clone!,
            /^machine m2 "m2" in lhr \(started, made 2026-11-01.*, with volume vol_2 .*1 MB used.* `fly machine destroy m2 -a my-app --force`/,
        );
        assert.match(
            empty!,
            /^volume vol_2 .* attached to machine m2\) has the same name as vol_1/,
        );
        assert.match(empty!, /`fly volumes destroy vol_2 -a my-app`/);
        assert.deepEqual(more, []);
        assert.equal(server?.calls.length, 4);
    });

    it("does not warn of machines with other ports or names, or that are being destroyed", async () => {
        const worker = machine("m3", "vol_3", { config: { services: [] } });
        assert.deepEqual(
            await warned(
                [machine("m1", "vol_1"), worker, machine("m4", "", { state: "destroying" })],
                [
                    volume("vol_1"),
                    volume("vol_3", { name: "other" }),
                    volume("vol_5", { state: "pending_destroy" }),
                ],
            ),
            [],
        );
    });
});
