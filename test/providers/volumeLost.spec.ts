import assert from "node:assert/strict";
import { FlyClient } from "../../providers/fly/api/client.ts";
import { lostVolumeProblem } from "../../providers/fly/volume/lost.ts";
import { startScriptedServer } from "./support/scriptedServer.ts";

const WANTED = { app: "my-app", id: "vol_1", name: "mosquitto_data", region: "lhr" };
const SNAPSHOTS = [
    { id: "vs_old", status: "created", created_at: "2026-11-01T00:00:00Z" },
    { id: "vs_new", status: "created", created_at: "2026-11-02T00:00:00Z" },
    { id: "vs_running", status: "running", created_at: "2026-11-03T00:00:00Z" },
];

function volume(id: string, more = {}) {
    const { name, region } = WANTED;
    return { id, name, region, state: "created", size_gb: 1, ...more };
}

describe("a volume with the broker's data", () => {
    /** @param volumes undefined where the app is gone */
    async function problem(
        volumes: object[] | undefined,
        { snapshots = [] as object[], snapshotId = undefined as string | undefined } = {},
    ): Promise<string | undefined> {
        const gone = { status: 404, body: { error: "app not found" } };
        const server = await startScriptedServer(({ path }) => {
            if (volumes === undefined) return gone;
            return { body: path.endsWith("/snapshots") ? snapshots : volumes };
        });
        try {
            const client = new FlyClient({ endpoint: server.endpoint, token: "t", retries: 0 });
            return await lostVolumeProblem(client, { ...WANTED, snapshotId });
        } finally {
            await server.close();
        }
    }

    for (const [what, volumes] of [
        ["is there", [volume("vol_1")]],
        ["is there under an earlier name", [volume("vol_1", { name: "earlier" })]],
    ] as const) {
        it(`is no problem where it ${what}`, async () => {
            assert.equal(await problem([...volumes]), undefined);
        });
    }

    for (const [what, volumes] of [
        ["is not there", []],
        ["is being destroyed", [volume("vol_1", { state: "pending_destroy" })]],
        ["is gone, and another has its name elsewhere", [volume("vol_2", { region: "ams" })]],
        ["is gone, and another is in its region", [volume("vol_2", { name: "other" })]],
        ["is gone with its app", undefined],
    ] as const) {
        it(`is lost where it ${what}, and the way out is told`, async () => {
            const told = (await problem(volumes && [...volumes])) ?? "";
            assert.match(told, /^volumeReplacement: volume vol_1 of app "my-app" is gone/);
            assert.match(
                told,
                /would be empty\. Fly has no snapshot of it; to continue with another volume: /,
            );
            assert.match(told, /`pulumi config set appkata-mqtt:volumeReplacement discard`/);
        });
    }

    it("is lost where another has its name and region, which can be imported", async () => {
        const told = (await problem([volume("vol_2")])) ?? "";
        assert.match(
            told,
            /volume vol_2 of the same name: `pulumi config set --path 'appkata-mqtt:import.volume' vol_2`/,
        );
    });

    it("is restored from the newest complete snapshot", async () => {
        const told = (await problem([], { snapshots: SNAPSHOTS })) ?? "";
        assert.match(told, /vs_new of 2026-11-02T00:00:00Z, vs_old of 2026-11-01T00:00:00Z;/);
        assert.match(told, /`pulumi config set appkata-mqtt:volumeSnapshot vs_new`/);
    });

    it("may be lost where a snapshot of it is set, not where one of another volume is", async () => {
        const snapshots = SNAPSHOTS;
        assert.equal(await problem([], { snapshots, snapshotId: "vs_old" }), undefined);
        const told = (await problem([], { snapshots, snapshotId: "vs_other" })) ?? "";
        assert.match(told, /would have the data of vs_other, which Fly does not list for it/);
    });
});
