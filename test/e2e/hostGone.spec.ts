import assert from "node:assert/strict";
import { collect, connect } from "../../dev/harness/mqtt.ts";
import type { BrokerOutputs } from "../../config/outputs.ts";
import { Project } from "../../dev/harness/project.ts";
import { until } from "../../dev/harness/until.ts";
import { commandsIn } from "../support/pages.ts";
import { Reader, type Values } from "../support/reader.ts";

const PAGE = commandsIn("docs/host-gone.md");
/** The page's blocks of commands, by case. */
const [LOST, BOTH_GONE, STILL_THERE, BY_HAND] = [0, 1, 2, 3] as const;

const named = (start: string) => PAGE.find(({ text }) => text.startsWith(start))!;

/** Walks through docs/host-gone.md on one stack, with the page's own commands. */
describe("a broker whose host is gone", function () {
    this.timeout(300_000);
    this.bail(true);
    let project: Project;
    let outputs: BrokerOutputs;
    let reader: Reader;

    before(async () => {
        project = await Project.make();
        outputs = await project.deploy();
        const { endpoint, token } = await project.status();
        reader = new Reader(project, { FLY_TEST_ENDPOINT: endpoint, FLY_API_TOKEN: token });
        // Uses the PATH without this program, which would otherwise call itself.
        reader.provide("pulumi", `PATH='${process.env.PATH}' exec npm run --silent pulumi -- "$@"`);
        await publish("kept");
    });
    after(async () => {
        await project.remove();
    });

    async function publish(topic: string): Promise<void> {
        const client = await connect(outputs);
        await client.publishAsync(topic, "from the first day", { qos: 1, retain: true });
        await client.endAsync();
    }

    /** Asserts that the same address, CA and users reach the broker with its data. */
    async function holds(before: BrokerOutputs): Promise<void> {
        outputs = await project.outputs();
        for (const key of ["address", "caCertificatePem", "users"] as const) {
            assert.deepEqual(outputs[key], before[key]);
        }
        const client = await connect(before);
        const retained = collect(client, 1);
        await client.subscribeAsync("kept", { qos: 1 });
        assert.deepEqual(await retained, ["kept from the first day"]);
        await client.endAsync();
    }

    async function ask<T>(method: string, route: string, body?: unknown): Promise<T> {
        const answer = await project.fly(method, `/apps/${outputs.appName}${route}`, body);
        const text = await answer.text();
        assert.ok(answer.ok, `${method} ${route}: ${answer.status} ${text}`);
        return JSON.parse(text) as T;
    }

    async function snapshot(): Promise<string> {
        const path = `/volumes/${outputs.volumeId}/snapshots`;
        const { id } = await ask<{ id: string }>("POST", path);
        await until("the snapshot exists", async () =>
            (await ask<{ id: string; status: string }[]>("GET", path)).some(
                (one) => one.id === id && one.status === "created",
            ),
        );
        return id;
    }

    /** The request of `fly volumes create`. */
    async function restored(snapshot_id: string): Promise<string> {
        const body = { name: "mosquitto_data", region: "lhr", size_gb: 1, snapshot_id };
        return (await ask<{ id: string }>("POST", "/volumes", body)).id;
    }

    /** Types a block's commands. @returns what the last of them, an `up`, has said */
    async function follow(block: number, more: Values): Promise<string> {
        const values: Record<string, string> = { ...valuesNow(), ...more };
        let said = "";
        for (const command of PAGE.filter((one) => one.block === block)) {
            const { stdout, output } = await reader.type(command, values);
            said = output;
            values["NEW_VOLUME"] = /"id":"(vol_\w+)"/.exec(stdout)?.[1] ?? values["NEW_VOLUME"]!;
        }
        return said;
    }

    const valuesNow = () => ({
        APP: outputs.appName,
        VOLUME: outputs.volumeId,
        MACHINE: outputs.machineId,
        NEW_VOLUME: "",
    });

    const loseHost = (volume: string) => project.admin("PUT", "hosts", { volume });

    async function up(...more: string[]): Promise<string> {
        const run = await project.pulumi(["up", "--yes", "--skip-preview", ...more]);
        assert.equal(run.code, 0, run.output);
        return run.output;
    }

    it("continues on a fork of its volume, and the old volume is not deleted", async () => {
        const { volumeId } = outputs;
        const said = await follow(STILL_THERE, {});
        await holds(outputs);
        const { volumeId: id } = outputs;
        assert.notEqual(id, volumeId);
        assert.match(said, new RegExp(`volume ${volumeId} .* has the same name as ${id}`));
        const again = await project.up();
        assert.notEqual(again.code, 0);
        assert.match(again.output, new RegExp(`fly volumes destroy ${volumeId}`));
        await reader.type(named("fly volumes destroy"), { ...valuesNow(), VOLUME: volumeId });
        await up();
    });

    it("continues on a volume from a snapshot", async () => {
        const { volumeId, machineId } = outputs;
        const saved = await snapshot();
        await loseHost(volumeId);
        const down = await project.up();
        assert.notEqual(down.code, 0);
        assert.match(
            down.output,
            new RegExp(`machine ${machineId} .* host that Fly cannot reach.*docs/host-gone.md`),
        );
        const told = await follow(LOST, { SNAPSHOT: saved });
        assert.match(told, new RegExp(`volume ${volumeId} .*on a host that Fly cannot reach`));
        await holds(outputs);
        assert.notEqual(outputs.volumeId, volumeId);
        assert.notEqual(outputs.machineId, machineId);
        await reader.type(named("npm run verify"));
        await project.admin("PUT", "hosts", { volume: volumeId, reachable: true });
        await until("the old machine is destroyed", async () => {
            const answer = await project.fly(
                "DELETE",
                `/apps/${outputs.appName}/volumes/${volumeId}`,
            );
            return answer.ok;
        });
        await up();
    });

    it("adopts the machine that was put in its place, and never creates a second", async () => {
        const before = outputs;
        const path = `/machines/${before.machineId}`;
        const { config } = await ask<{ config: Record<string, unknown> }>("GET", path);
        const saved = await snapshot();
        await loseHost(before.volumeId);
        await reader.type(named("fly machine destroy"), valuesNow());
        const volume = await restored(saved);
        // The request of `fly machine run`: without our metadata.
        const { id } = await ask<{ id: string }>("POST", "/machines", {
            name: "rescue",
            region: "lhr",
            config: { ...config, metadata: {}, mounts: [{ volume, path: "/mosquitto/data" }] },
        });
        const refused = await project.pulumi(["up", "--yes", "--skip-preview", "--refresh"]);
        assert.notEqual(refused.code, 0);
        assert.match(
            refused.output,
            new RegExp(`machine ${id} "rescue" .*volume ${volume}[^]*import\\.machine' ${id}`),
        );
        const machines = await ask<{ id: string; state: string }[]>("GET", "/machines");
        assert.deepEqual(
            machines.filter(({ state }) => state !== "destroying").map((one) => one.id),
            [id],
        );
        await follow(BY_HAND, { NAME: "rescue", MACHINE: id, VOLUME: volume });
        await holds(before);
        assert.equal(outputs.machineId, id);
        assert.equal(outputs.volumeId, volume);
        project.configure({ import: undefined });
        const again = await project.pulumi(["preview", "--expect-no-changes"]);
        assert.equal(again.code, 0, again.output);
    });

    it("gets a new machine on a volume from a snapshot if both are gone", async () => {
        const before = outputs;
        const saved = await snapshot();
        await loseHost(before.volumeId);
        await ask("DELETE", `/machines/${before.machineId}?force=true`);
        await project.admin("PUT", "hosts", { volume: before.volumeId, reachable: true });
        await until("the volume is detached", async () => {
            const path = `/apps/${before.appName}/volumes/${before.volumeId}`;
            return (await project.fly("DELETE", path)).ok;
        });
        await follow(BOTH_GONE, { SNAPSHOT: saved });
        await holds(before);
        assert.notEqual(outputs.machineId, before.machineId);
        assert.notEqual(outputs.volumeId, before.volumeId);
        await up();
    });

    it("has typed all that the page says", () => reader.assertTyped(PAGE));
});
