// core
import assert from "node:assert/strict";
import type { MqttClient } from "mqtt";
import { aclFile, type Access } from "../../broker/acl.ts";
import { SERIES } from "../../broker/conf.ts";
import { until } from "../../dev/harness/until.ts";
import { logInTo } from "../support/brokerClient.ts";
import { givenConf, passwordLine } from "../../dev/harness/brokerConf.ts";
import { BrokerContainer, buildBroker } from "../../dev/harness/brokerContainer.ts";
import { applyFiles, givenFiles } from "../support/brokerFixture.ts";
import { issue, makeAuthority, type Authority } from "../../dev/harness/certificates.ts";

const HOSTNAME = "appkata-test.fly.dev";
const PASSWORD = "the password of all";
const NOTHING = { read: [], write: [], readWrite: [] };

const REFUSED = /Subscribe error/;

const USERS: Access[] = [
    { ...NOTHING, name: "both", deny: [], everything: true },
    { ...NOTHING, name: "reader", deny: [], everything: "read" },
    { ...NOTHING, name: "writer", deny: [], everything: "write" },
    { ...NOTHING, name: "writerButSome", deny: ["secret/#"], everything: "write" },
    { ...NOTHING, name: "author", write: ["kept/#"], deny: [], everything: false },
];

for (const series of SERIES) {
    describe(`grants on Mosquitto ${series}`, function () {
        this.timeout(60_000);
        let broker: BrokerContainer;
        let authority: Authority;
        const clients: Record<string, MqttClient> = {};

        before(async () => {
            authority = await makeAuthority();
            const server = await issue(authority, [HOSTNAME]);
            broker = await BrokerContainer.create({
                image: await buildBroker(series),
                files: {
                    ...givenFiles({
                        "server.crt": server.chain,
                        "server.key": server.key,
                        ...filesOf(USERS),
                    }),
                    ...givenConf(),
                },
            });
            await broker.start();
            for (const { name } of USERS) clients[name] = await connect(name);
        });
        after(async () => {
            for (const client of Object.values(clients)) await client.endAsync(true);
            await broker.remove();
        });

        function connect(username: string): Promise<MqttClient> {
            return logInTo(broker, authority, {
                ...{ username, password: PASSWORD, servername: HOSTNAME, clientId: username },
                protocolVersion: 4,
            });
        }

        const lines = new Map(USERS.map(({ name }) => [name, passwordLine(name, PASSWORD)]));

        function filesOf(users: Access[]): Record<string, string> {
            return {
                passwd: users.map(({ name }) => lines.get(name)!).join(""),
                acl: aclFile({ users, everyone: NOTHING, internal: [] }),
            };
        }

        const change = (users: Access[]) => applyFiles(broker, filesOf(users));

        /** Topics of the messages that reach a client before a later one does. */
        async function comesTo(
            to: MqttClient,
            filter: string,
            publish: () => Promise<unknown>,
        ): Promise<string[]> {
            const seen: string[] = [];
            const take = (topic: string) => void seen.push(topic);
            to.on("message", take);
            await to.subscribeAsync(filter, { qos: 1 });
            await publish();
            const last = "last/of/all";
            if (filter !== "#") await to.subscribeAsync(last, { qos: 1 });
            await clients.both!.publishAsync(last, "", { qos: 1 });
            await until("the later message", () => seen.includes(last));
            to.off("message", take);
            await to.unsubscribeAsync([filter, last]);
            return seen.filter((topic) => topic !== last);
        }

        const from = (name: string, topic: string) => () =>
            clients[name]!.publishAsync(topic, "", { qos: 1 });

        it("to read everything cover all topics but $SYS, and no publishing", async () => {
            const { reader, both } = clients;
            assert.deepEqual(await comesTo(reader!, "#", from("both", "a/b")), ["a/b"]);
            assert.deepEqual(await comesTo(both!, "#", from("reader", "a/b")), []);
            await assert.rejects(reader!.subscribeAsync("$SYS/#"), REFUSED);
        });

        it("to write everything cover publishing anywhere, and no reading", async () => {
            const { both, writer } = clients;
            assert.deepEqual(await comesTo(both!, "#", from("writer", "a/b")), ["a/b"]);
            for (const filter of ["#", "a/b", "$SYS/#"]) {
                await assert.rejects(writer!.subscribeAsync(filter), REFUSED);
            }
        });

        it("to everything except denied topics cover the rest", async () => {
            const { both } = clients;
            const send = async () => {
                await from("writerButSome", "secret/a")();
                await from("writerButSome", "open/a")();
            };
            assert.deepEqual(await comesTo(both!, "#", send), ["open/a"]);
        });

        it("let an author's retained messages reach later subscribers", async () => {
            await clients.author!.publishAsync("kept/a", "kept", { qos: 1, retain: true });
            assert.deepEqual(await comesTo(clients.reader!, "kept/#", nothing), ["kept/a"]);
        });

        it("that an author loses take its retained messages from all subscribers", async () => {
            const without = USERS.map((user) =>
                user.name === "author" ? { ...user, write: ["other/#"] } : user,
            );
            await change(without);
            assert.deepEqual(await comesTo(clients.reader!, "kept/#", nothing), []);
            await change(USERS);
            assert.deepEqual(await comesTo(clients.reader!, "kept/#", nothing), ["kept/a"]);
        });

        it("of a removed user take its retained messages away, in 2.0 after a restart too", async () => {
            await change(USERS.filter(({ name }) => name !== "author"));
            assert.deepEqual(await comesTo(clients.reader!, "kept/#", nothing), []);
            for (const client of Object.values(clients)) await client.endAsync(true);
            await broker.stop();
            await broker.start();
            for (const name of ["both", "reader"]) clients[name] = await connect(name);
            // 2.1 treats restored messages as its own (`mosquitto_persist_base_msg_add`).
            const restored = series === "2.1" ? ["kept/a"] : [];
            assert.deepEqual(await comesTo(clients.reader!, "kept/#", nothing), restored);
        });
    });
}

const nothing = () => Promise.resolve();
