import assert from "node:assert/strict";
import type { MqttClient } from "mqtt";
import { aclFile, type Access } from "../../broker/acl.ts";
import { SERIES } from "../../broker/conf.ts";
import { nameProblems } from "../../config/userNames.ts";
import { givenConf, passwordLine } from "../../dev/harness/brokerConf.ts";
import { logInTo } from "../support/brokerClient.ts";
import { BrokerContainer, buildBroker } from "../../dev/harness/brokerContainer.ts";
import { givenFiles } from "../support/brokerFixture.ts";
import { issue, makeAuthority, type Authority } from "../../dev/harness/certificates.ts";

const HOSTNAME = "appkata-test.fly.dev";
const PASSWORD = "the password of all";
const NOTHING = { read: [], write: [], readWrite: [], deny: [], everything: false as const };
const EVERYONE = { read: ["for/%u/#"], write: [], readWrite: [] };

const LEVELS: Access[] = [
    { ...NOTHING, name: "lab/7", write: ["by/%u/#"] },
    { ...NOTHING, name: "lab/8", read: ["by/lab/7/#"] },
    { ...NOTHING, name: "lab/9/a", write: ["by/%u/#"] },
    { ...NOTHING, name: "plain", read: ["by/#"], write: ["for/#"] },
];

const WILD: Access[] = [
    { ...NOTHING, name: "joe+mqtt@example.com", readWrite: ["joe/#"] },
    { ...NOTHING, name: "a#1", readWrite: ["a/#"] },
    { ...NOTHING, name: "+", readWrite: ["plus"] },
    { ...NOTHING, name: 'the "last" \\one', readWrite: ["last"] },
];

/** Names that the settings allow: on each series, each user gets its own grants and no more. */
for (const series of SERIES) {
    describe(`user names on Mosquitto ${series}`, function () {
        this.timeout(60_000);
        let authority: Authority;
        let image: string;
        let broker: BrokerContainer | undefined;
        let clients: Record<string, MqttClient> = {};

        before(async () => {
            authority = await makeAuthority();
            image = await buildBroker(series);
        });
        afterEach(async () => {
            for (const client of Object.values(clients)) await client.endAsync(true);
            await broker?.remove();
            clients = {};
        });

        async function start(users: Access[], everyone: typeof EVERYONE): Promise<void> {
            assert.deepEqual(
                nameProblems(users, everyone).filter((problem) => problem !== undefined),
                [],
            );
            const { chain, key } = await issue(authority, [HOSTNAME]);
            broker = await BrokerContainer.create({
                image,
                files: {
                    ...givenFiles({
                        "server.crt": chain,
                        "server.key": key,
                        passwd: users.map(({ name }) => passwordLine(name, PASSWORD)).join(""),
                        acl: aclFile({ users, everyone, internal: [] }),
                    }),
                    ...givenConf(),
                },
            });
            await broker.start();
            for (const { name } of users) {
                clients[name] = await logInTo(broker, authority, {
                    ...{ username: name, password: PASSWORD, servername: HOSTNAME },
                    ...{ clientId: name.replaceAll(/\W/g, "-"), protocolVersion: 5 },
                });
            }
        }

        /** Users that receive a message. @returns undefined if it is refused */
        async function reach(from: string, topic: string): Promise<string[] | undefined> {
            const seen: string[] = [];
            const takes = Object.entries(clients).map(([name, client]) => {
                const take = (came: string) => void (came === topic && seen.push(name));
                client.on("message", take);
                return () => client.off("message", take);
            });
            // Users that may not read it are refused.
            for (const client of Object.values(clients)) {
                await client.subscribeAsync(topic, { qos: 1 }).catch(() => undefined);
            }
            const refused = await clients[from]!.publishAsync(topic, "", { qos: 1 }).then(
                () => false,
                () => true,
            );
            // The broker answers each client in order, so the message would have arrived before.
            for (const client of Object.values(clients)) await client.unsubscribeAsync(topic);
            for (const end of takes) end();
            return refused ? undefined : seen.toSorted();
        }

        it("with several levels get their own grants, by %u too", async () => {
            await start(LEVELS, EVERYONE);
            assert.deepEqual(await reach("lab/7", "by/lab/7/x"), ["lab/8", "plain"]);
            assert.deepEqual(await reach("lab/9/a", "by/lab/9/a/x"), ["plain"]);
            assert.equal(await reach("lab/7", "by/lab/8/x"), undefined);
            assert.deepEqual(await reach("plain", "for/lab/7/x"), ["lab/7"]);
            assert.deepEqual(await reach("plain", "for/lab/9/a"), ["lab/9/a"]);
            assert.deepEqual(await reach("plain", "for/plain/x"), ["plain"]);
            assert.deepEqual(await reach("plain", "for/lab"), []);
        });

        it("with wildcards get only their own grants", async () => {
            await start(WILD, { read: [], write: [], readWrite: [] });
            for (const { name, readWrite } of WILD) {
                const topic = readWrite[0]!.replace("#", "x");
                assert.deepEqual(await reach(name, topic), [name]);
            }
            assert.equal(await reach("+", "joe/x"), undefined);
            assert.equal(await reach("a#1", "a1"), undefined);
        });
    });
}
