// core
import assert from "node:assert/strict";
import type { MqttClient } from "mqtt";
import { until } from "../../dev/harness/until.ts";
import { collect, connect, servedCertificate } from "../../dev/harness/mqtt.ts";
import type { BrokerOutputs } from "../../config/outputs.ts";
import { Project, usersNamed } from "../../dev/harness/project.ts";

const USERS = ["tester", "sensors", "gateway", "dashboard", "archive"];
const CLIENTS = 50;

/** Changes while fifty clients are connected; only those concerned notice. */
describe("a deployed broker that changes under its clients", function () {
    this.timeout(240_000);
    let project: Project;
    let outputs: BrokerOutputs;
    let instance: string;
    const crowd: MqttClient[] = [];
    /** Users whose client lost its connection, in order. */
    let dropped: string[] = [];

    before(async () => {
        project = await Project.make({ users: usersNamed(...USERS) });
        outputs = await project.deploy();
        instance = await instanceId();
        for (let at = 0; at < CLIENTS; at++) await join(USERS[at % USERS.length]!);
    });
    after(async () => {
        await Promise.all(crowd.map((client) => client.endAsync(true)));
        await project.remove();
    });
    beforeEach(() => {
        dropped = [];
    });

    async function join(user: string): Promise<void> {
        const client = await connect(outputs, { user });
        client.on("close", () => dropped.push(user));
        // A broken connection is counted, not thrown.
        client.on("error", () => undefined);
        crowd.push(client);
    }

    async function machine(): Promise<{
        instance_id: string;
        state: string;
        events: { type: string }[];
    }> {
        const { appName, machineId } = outputs;
        const answer = await project.fly("GET", `/apps/${appName}/machines/${machineId}`);
        assert.equal(answer.status, 200);
        return (await answer.json()) as Awaited<ReturnType<typeof machine>>;
    }

    const instanceId = async () => (await machine()).instance_id;

    async function secretsOfApp(): Promise<unknown> {
        return await (await project.fly("GET", `/apps/${outputs.appName}/secrets`)).json();
    }

    /**
     * Asserts that after an `up` the same instance runs, and every client is still connected and gets
     * messages.
     */
    async function changes(settings: Record<string, unknown>): Promise<void> {
        project.configure(settings);
        const up = await project.up();
        assert.equal(up.code, 0, up.output);
        outputs = await project.outputs();
        assert.equal(await instanceId(), instance);
    }

    /** Asserts that each connected client gets an answer from the broker. */
    async function areServed(clients: readonly MqttClient[]): Promise<void> {
        const answered = clients.map((client) =>
            client.publishAsync("live", "still here", { qos: 1 }),
        );
        await Promise.all(answered);
    }

    async function isRefused(user: string, password: string): Promise<void> {
        const theirs = { ...outputs, users: { [user]: password } };
        await assert.rejects(connect(theirs, { user }), /Not authorized/i);
    }

    it("shows its change in the preview as one of the secrets, not of the machine", async () => {
        project.configure({ users: usersNamed(...USERS, "added") });
        const preview = await project.pulumi(["preview"]);
        assert.equal(preview.code, 0, preview.output);
        assert.match(preview.output, /fly:Secrets\s+\S*files\s+update/);
        assert.doesNotMatch(preview.output, /fly:Machine\s/);
    });

    it("admits a new user", async () => {
        await changes({ users: usersNamed(...USERS, "added") });
        await join("added");
        await areServed(crowd);
        assert.deepEqual(dropped, []);
    });

    it("takes another password, and disconnects only that user's clients", async () => {
        const before = outputs.users.sensors!;
        await changes({ passwords: { sensors: "a new one for all of them" } });
        const theirs = crowd.filter(
            (_, at) => USERS[at % USERS.length] === "sensors" && at < CLIENTS,
        );
        await until("those clients are disconnected", () =>
            theirs.every((client) => !client.connected),
        );
        assert.deepEqual(
            dropped,
            theirs.map(() => "sensors"),
        );
        await isRefused("sensors", before);
        await (await connect(outputs, { user: "sensors" })).endAsync();
        await areServed(crowd.filter((client) => !theirs.includes(client)));
        assert.equal(dropped.length, theirs.length);
    });

    it("takes other grants, and only that user's clients are disconnected and return with the new grants", async () => {
        const others = USERS.filter((user) => user !== "dashboard");
        await changes({
            users: [...usersNamed(...others, "added"), { name: "dashboard", read: ["granted"] }],
        });
        const theirs = crowd.filter(
            (_, at) => USERS[at % USERS.length] === "dashboard" && at < CLIENTS,
        );
        await until("those clients are disconnected", () =>
            theirs.every((client) => !client.connected),
        );
        assert.deepEqual(
            dropped,
            theirs.map(() => "dashboard"),
        );
        const dashboard = await connect(outputs, { user: "dashboard" });
        const listener = crowd[USERS.indexOf("archive")]!;
        const received = collect(listener, 1);
        await listener.subscribeAsync("granted", { qos: 1 });
        await dashboard.publishAsync("granted", "by the dashboard", { qos: 1 });
        const read = collect(dashboard, 1);
        await assert.rejects(dashboard.subscribeAsync("#"), /Subscribe error/);
        await dashboard.subscribeAsync("granted", { qos: 1 });
        await crowd[USERS.indexOf("tester")]!.publishAsync("granted", "by another", { qos: 1 });
        assert.deepEqual(await received, ["granted by another"]);
        assert.deepEqual(await read, ["granted by another"]);
        await dashboard.endAsync();
        assert.equal(dropped.length, theirs.length);
    });

    it("serves a renewed certificate to new connections", async () => {
        const before = await servedCertificate(outputs);
        await changes({ certificateValidDays: 364 });
        assert.notEqual(await servedCertificate(outputs), before);
        await areServed(crowd.filter((client) => client.connected));
        assert.deepEqual(dropped, []);
    });

    it("disconnects a removed user, and nobody else", async () => {
        const password = outputs.users.added!;
        await changes({ users: usersNamed(...USERS) });
        await until("that client is disconnected", () => dropped.length > 0);
        await isRefused("added", password);
        await areServed(crowd.filter((client) => client.connected));
        assert.deepEqual(dropped, ["added"]);
    });

    it("matches the settings: neither a preview nor a refresh finds a change", async () => {
        for (const command of [["preview"], ["refresh", "--yes"]]) {
            const run = await project.pulumi([...command, "--expect-no-changes"]);
            assert.equal(run.code, 0, run.output);
        }
    });

    for (const [what, name, broken, reason] of [
        ["passwords", "passwd", "`${text}broken:line\\n`", /passwd: not NAME:\S+ in line \d/],
        ["a key", '"server.key"', "text.slice(0, 100)", /the broker would not take the files/],
    ] as const) {
        it(`stays as it is if it would refuse ${what}, and up says why`, async () => {
            const file = "components/mosquittoBroker.ts";
            const program = project.read(file);
            const given = new RegExp(`(${name}): (\\w+\\.\\w+),`);
            assert.match(program, given);
            // A bug in the program: no settings could cause it.
            project.edit(file, (text) =>
                text.replace(given, `$1: pulumi.output($2).apply((text) => ${broken}),`),
            );
            const secrets = await secretsOfApp();
            const certificate = await servedCertificate(outputs);
            const up = await project.up();
            assert.notEqual(up.code, 0);
            assert.match(up.output, /refuses the changed secrets .*Nothing was changed/);
            assert.match(up.output, reason);
            assert.deepEqual(await secretsOfApp(), secrets);
            assert.equal(await instanceId(), instance);
            assert.equal(await servedCertificate(outputs), certificate);
            await areServed(crowd.filter((client) => client.connected));
            assert.deepEqual(dropped, []);

            project.edit(file, () => program);
            const again = await project.pulumi(["preview", "--expect-no-changes"]);
            assert.equal(again.code, 0, again.output);
        });
    }
});
