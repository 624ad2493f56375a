import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import mqtt, { type IClientOptions, type MqttClient } from "mqtt";
import { collect } from "../../dev/harness/mqtt.ts";
import type { BrokerOutputs } from "../../config/outputs.ts";
import { Project } from "../../dev/harness/project.ts";

const USERS = [
    {
        name: "writer",
        write: ["data/%u/#"],
        readWrite: ["shared/#"],
        deny: ["shared/secret/#"],
    },
    { name: "reader", read: ["data/#", "$SYS/broker/version"], readWrite: ["shared/#"] },
    { name: "lab/7.x", write: ["data/%u/#"], readWrite: ["shared/#"] },
];

/** Two users with different grants on a deployed broker, each with a client whose ID is its name. */
describe("users of a deployed broker", function () {
    this.timeout(180_000);
    let project: Project;
    let outputs: BrokerOutputs;
    const clients: Record<string, MqttClient> = {};

    before(async () => {
        project = await Project.make({
            users: USERS,
            everyone: { readWrite: ["client/%c/#"], read: ["news/#"] },
        });
        outputs = await project.deploy();
        for (const { name } of USERS) clients[name] = await connect(name);
    });
    after(async () => {
        for (const client of Object.values(clients)) await client.endAsync(true);
        await project.remove();
    });

    function connect(username: string, more: IClientOptions = {}): Promise<MqttClient> {
        return mqtt.connectAsync({
            ...{ protocol: "mqtts", host: outputs.address, port: outputs.port },
            ...{ servername: outputs.hostname, ca: outputs.caCertificatePem },
            ...{ username, password: outputs.users[username]!, clientId: username },
            ...{ reconnectPeriod: 0, protocolVersion: 4, ...more },
        });
    }

    /** Result of a publish: nothing, if a later message that both may exchange arrives first. */
    async function arrives(from: MqttClient, to: MqttClient, topic: string): Promise<boolean> {
        const last = `shared/last/${randomUUID()}`;
        const seen: string[] = [];
        const ended = new Promise<void>((resolve) => {
            const take = (name: string) => {
                seen.push(name);
                if (name !== last) return;
                to.off("message", take);
                resolve();
            };
            to.on("message", take);
        });
        // Refused, because nothing grants it.
        await to.subscribeAsync(topic, { qos: 1 }).catch(() => undefined);
        await to.subscribeAsync(last, { qos: 1 });
        await from.publishAsync(topic, "", { qos: 1 });
        await from.publishAsync(last, "", { qos: 1 });
        await ended;
        await to.unsubscribeAsync([topic, last]);
        return seen.includes(topic);
    }

    for (const [from, to, topic, expected, why] of [
        ["writer", "reader", "data/writer/a", true, "one may write, the other read"],
        ["writer", "reader", "data/reader/a", false, "it may write below its own name only"],
        ["lab/7.x", "reader", "data/lab/7.x/a", true, "a name may have several levels"],
        ["writer", "writer", "data/writer/a", false, "it may write, but not read"],
        ["reader", "reader", "data/writer/a", false, "it may read, but not write"],
        ["writer", "reader", "other", false, "nothing grants it"],
        ["reader", "writer", "shared/a", true, "both may do both"],
        ["reader", "writer", "shared/secret/a", false, "reading it is denied"],
        ["writer", "reader", "shared/secret/a", false, "writing it is denied"],
        ["reader", "reader", "shared/secret/a", true, "it is denied to another user"],
        ["reader", "reader", "client/reader/a", true, "it is the client's own, for everyone"],
        ["writer", "reader", "client/reader/a", false, "it is another client's"],
        ["reader", "writer", "news/a", false, "everyone may read it, and nobody write"],
    ] as const) {
        const verb = expected ? "pass" : "not pass";
        it(`see a message on ${topic} ${verb} from ${from} to ${to}: ${why}`, async () => {
            assert.equal(await arrives(clients[from]!, clients[to]!, topic), expected);
        });
    }

    it("read the granted topics of $SYS only", async () => {
        const client = await connect("reader", { clientId: "sys" });
        const seen = collect(client, 1);
        await client.subscribeAsync("$SYS/broker/version", { qos: 1 });
        assert.deepEqual(await seen, ["$SYS/broker/version mosquitto version 2.1.2"]);
        await client.endAsync();
        for (const filter of ["$SYS/#", "$SYS/broker/version"]) {
            await assert.rejects(clients["writer"]!.subscribeAsync(filter), /Subscribe error/);
        }
    });

    it("learn in MQTT 5 that a publish is not allowed", async () => {
        const client = await connect("writer", { protocolVersion: 5, clientId: "five" });
        await assert.rejects(client.publishAsync("data/reader/a", "", { qos: 1 }), { code: 135 });
        await client.publishAsync("data/writer/a", "", { qos: 1 });
        await client.endAsync();
    });

    it("have commands for what they may do", () => {
        assert.match(outputs.subscribeCommand, /\/\/writer:\S+\/shared\/# /);
        assert.match(outputs.publishCommand, /\/\/writer:\S+\/data\/writer\/tests /);
    });

    it("fail the up if the broker grants too much, with the message that came through", async () => {
        const file = "components/credentials.ts";
        const program = project.read(file);
        const text = "aclFile({ users, everyone, internal: [VERIFIER_ACCESS], removed })";
        assert.ok(program.includes(text));
        // A bug in the program: no settings could cause it.
        project.edit(file, () =>
            program.replace(
                text,
                `${text} + "\\nuser appkata-verification\\ntopic readwrite #\\n"`,
            ),
        );
        const up = await project.up();
        assert.notEqual(up.code, 0);
        assert.match(
            up.output,
            /FAILED +\d+ ms +grants - expected nothing that appkata-verification is not granted, saw: a shared subscription to appkata-mqtt\/verification-/,
        );
        assert.match(up.output, /a message on appkata-mqtt\/verification-not-granted\//);
        project.edit(file, () => program);
        const again = await project.up();
        assert.equal(again.code, 0, again.output);
    });

    it("are not disconnected by others with clientIds: user, nor by the verification", async () => {
        project.configure({
            clientIds: "user",
            everyone: { readWrite: ["client/%u/#"], read: ["news/#"] },
        });
        const up = await project.up();
        assert.equal(up.code, 0, up.output);
        outputs = await project.outputs();
        const [reader, writer] = await Promise.all(
            ["reader", "writer"].map((name) => connect(name, { clientId: "the same" })),
        );
        assert.equal(await arrives(writer!, reader!, "data/writer/a"), true);
        const verify = await project.npm("verify");
        assert.equal(verify.code, 0, verify.output);
        // The default verification logs in as each user with a password.
        assert.doesNotMatch(verify.output, / login /);
        for (const client of [reader!, writer!]) {
            assert.ok(client.connected);
            await client.endAsync();
        }
    });
});
