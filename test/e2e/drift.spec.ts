// core
import assert from "node:assert/strict";
import { until } from "../../dev/harness/until.ts";
import { collect, connect } from "../../dev/harness/mqtt.ts";
import type { BrokerOutputs } from "../../config/outputs.ts";
import { Project } from "../../dev/harness/project.ts";

interface Machine {
    id: string;
    instance_id: string;
    config: { env?: Record<string, string>; guest: { memory_mb: number } };
}

/** Manual changes at Fly, on one project: each test begins with everything as declared. */
describe("drift that a refresh shows and an up reverts", function () {
    this.timeout(120_000);
    this.bail(true);
    let project: Project;
    let outputs: BrokerOutputs;
    let api: { endpoint: string; token: string };

    before(async () => {
        project = await Project.make();
        outputs = await project.deploy();
        api = await project.status();
    });
    after(async () => {
        await project.remove();
    });

    /** Sends a request about the app, and returns status and answer. */
    async function ask(method: string, route: string, body?: unknown) {
        const { endpoint, token } = api;
        const response = await fetch(`${endpoint}/v1/apps/${outputs.appName}${route}`, {
            method,
            headers: {
                authorization: `Bearer ${token}`,
                ...(body !== undefined && { "content-type": "application/json" }),
            },
            ...(body !== undefined && { body: JSON.stringify(body) }),
        });
        return { status: response.status, text: await response.text() };
    }

    async function byHand<T>(method: string, route: string, body?: unknown): Promise<T> {
        const { status, text } = await ask(method, route, body);
        assert.ok(status < 300, `${method} ${route}: ${status} ${text}`);
        return (text === "" ? undefined : JSON.parse(text)) as T;
    }

    const machine = () => byHand<Machine>("GET", `/machines/${outputs.machineId}`);

    async function stop(): Promise<void> {
        const { id, instance_id: version } = await machine();
        await byHand("POST", `/machines/${id}/stop`, {});
        await byHand("GET", `/machines/${id}/wait?state=stopped&instance_id=${version}`);
    }

    async function destroy(): Promise<void> {
        await byHand("DELETE", `/machines/${outputs.machineId}?force=true`);
        await byHand("GET", `/machines/${outputs.machineId}/wait?state=destroyed`);
    }

    async function cli(...args: string[]): Promise<string> {
        const run = await project.cli(args);
        assert.equal(run.code, 0, run.output);
        return run.output;
    }

    /** Asserts that a refresh prints each line. */
    async function refreshShows(...lines: RegExp[]): Promise<void> {
        const output = await cli("refresh", "--yes", "--skip-preview", "--diff");
        for (const line of lines) assert.match(output, line);
    }

    const up = (...more: string[]) => cli("up", "--yes", "--skip-preview", ...more);

    const unreachable = () => assert.rejects(connect(outputs), Error, "the drift does no harm");

    /** Asserts that nothing is left to do, and a client receives its message. */
    async function allIsWell(): Promise<void> {
        outputs = await project.outputs();
        await cli("preview", "--expect-no-changes");
        const client = await connect(outputs);
        try {
            const received = collect(client, 1);
            await client.subscribeAsync("drift/#", { qos: 1 });
            await client.publishAsync("drift/test", "back", { qos: 1 });
            assert.deepEqual(await received, ["drift/test back"]);
        } finally {
            await client.endAsync();
        }
    }

    /** Refuses to go on without the data, in preview and `up`, until a setting allows it. */
    async function refusesEmptyVolume(volumeId: string): Promise<void> {
        for (const args of [["preview"], ["up", "--yes", "--skip-preview", "--refresh"]]) {
            const run = await project.cli(args);
            assert.notEqual(run.code, 0, run.output);
            assert.match(run.output, new RegExp(`volume ${volumeId} .* is gone, and a new one`));
            assert.match(run.output, /nothing was changed/);
        }
        project.configure({ volumeReplacement: "discard" });
    }

    async function publish(topic: string, payload: string): Promise<void> {
        const client = await connect(outputs);
        await client.publishAsync(topic, payload, { qos: 1, retain: true });
        await client.endAsync();
    }

    async function retained(topic: string): Promise<string[]> {
        const client = await connect(outputs);
        const received = collect(client, 1);
        await client.subscribeAsync(topic);
        try {
            return await received;
        } finally {
            await client.endAsync();
        }
    }

    it("is found in a cordoned machine without its ownership metadata", async () => {
        const before = await machine();
        await byHand("POST", `/machines/${before.id}/cordon`);
        await byHand("DELETE", `/machines/${before.id}/metadata/managed_by`);
        await byHand("DELETE", `/machines/${before.id}/metadata/fly_process_group`);
        await unreachable();
        await refreshShows(
            /\+ drift/,
            /"cordoned"/,
            /"metadata\.managed_by"/,
            /"metadata\.fly_process_group"/,
            /~ 1 updated/,
        );
        await up();
        await allIsWell();
        const now = await machine();
        assert.equal(now.instance_id, before.instance_id);
        assert.deepEqual(now.config, before.config);
    });

    it("is found in a stopped machine with someone's metadata", async () => {
        const before = await machine();
        await stop();
        await byHand("POST", `/machines/${before.id}/metadata/theirs`, { value: "1" });
        await byHand("DELETE", `/machines/${before.id}/metadata/pulumi_stack`);
        await refreshShows(
            /~ state +: "started" => "stopped"/,
            /\+ theirs: "1"/,
            /- stack +: "dev"/,
        );
        await up();
        await allIsWell();
        const now = await machine();
        assert.equal(now.instance_id, before.instance_id);
        assert.deepEqual(now.config, before.config);
    });

    it("is found in a machine's configuration, an address and a secret's value", async () => {
        const { id, config } = await machine();
        await byHand("POST", `/machines/${id}`, {
            config: {
                ...config,
                env: { THEIRS: "1" },
                guest: { ...config.guest, memory_mb: 512 },
                services: [],
            },
        });
        await byHand("DELETE", `/ip_assignments/${outputs.address}`);
        const theirs = Buffer.from("someone:x\n").toString("base64");
        await byHand("POST", "/secrets", { values: { MOSQUITTO_FILES: theirs } });
        await refreshShows(
            /\+ THEIRS: "1"/,
            /~ memory_mb: 256 => 512/,
            /- port: 10000/,
            new RegExp(`- address : "${outputs.address}"`),
            /~ MOSQUITTO_FILES: "\w+" => "\w+"/,
        );
        await up();
        await allIsWell();
        const now = await machine();
        assert.equal(now.config.env, undefined);
        assert.equal(now.config.guest.memory_mb, 256);
    });

    it("is found in a destroyed machine; an up alone says what to do, and the volume keeps its data", async () => {
        await publish("kept", "from before");
        await destroy();
        project.configure({ memoryMb: 512 });
        const alone = await project.cli(["up", "--yes", "--skip-preview"]);
        assert.notEqual(alone.code, 0, alone.output);
        assert.match(
            alone.output,
            /Machine \w+ of app ".*" is not at .*\n.*run `pulumi up --refresh`/,
        );
        const { volumeId } = outputs;
        await up("--refresh");
        await allIsWell();
        assert.equal(outputs.volumeId, volumeId);
        assert.deepEqual(await retained("kept"), ["kept from before"]);
    });

    it("is found in a destroyed machine with a deleted volume, and a removed secret", async () => {
        const { volumeId } = outputs;
        await destroy();
        // The volume stays attached for a moment.
        await until(
            "the volume is deleted",
            async () => (await ask("DELETE", `/volumes/${volumeId}`)).status === 200,
        );
        await byHand("POST", "/secrets", { values: { MOSQUITTO_FILES: null } });
        await refreshShows(
            new RegExp(`- volumeId +: "${volumeId}"`),
            new RegExp(`- machineId +: "${outputs.machineId}"`),
            /fly:Secrets: \(delete\)/,
            /- 3 deleted/,
        );
        await refusesEmptyVolume(volumeId);
        await up();
        await allIsWell();
        assert.notEqual(outputs.volumeId, volumeId);
        project.configure({ volumeReplacement: undefined });
    });

    it("is found in a deleted app", async () => {
        await byHand("DELETE", "?force=true");
        await until("the app is gone", async () => (await ask("GET", "")).status === 404);
        await refreshShows(/fly:App: \(delete\)/, /- 6 deleted/);
        await refusesEmptyVolume(outputs.volumeId);
        await up();
        await allIsWell();
        const { apps } = await project.status();
        assert.deepEqual(
            apps.map(({ machines, volumes }) => [machines.length, volumes.length]),
            [[1, 1]],
        );
    });
});
