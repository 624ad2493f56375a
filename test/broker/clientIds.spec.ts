// core
import assert from "node:assert/strict";
import { aclFile } from "../../broker/acl.ts";
import { SERIES, type BrokerConf } from "../../broker/conf.ts";
import { closed, collect, logInTo, openTo } from "../support/brokerClient.ts";
import { CONF, givenConf, passwordLine } from "../../dev/harness/brokerConf.ts";
import { BrokerContainer, buildBroker } from "../../dev/harness/brokerContainer.ts";
import { givenFiles } from "../support/brokerFixture.ts";
import { issue, makeAuthority, type Authority } from "../../dev/harness/certificates.ts";
import { until } from "../../dev/harness/until.ts";

const servername = "appkata-test.fly.dev";
const PASSWORD = "the password of all";
const NOTHING = { read: [], write: [], readWrite: [], deny: [] };
const USERS = ["owner", "other"];

for (const series of SERIES) {
    describe(`client IDs on Mosquitto ${series}`, function () {
        this.timeout(60_000);
        let authority: Authority;
        let broker: BrokerContainer;

        before(async () => {
            authority = await makeAuthority();
        });
        afterEach(async () => {
            await broker.remove();
        });

        async function start(clientIds: BrokerConf["clientIds"]): Promise<void> {
            const server = await issue(authority, [servername]);
            broker = await BrokerContainer.create({
                image: await buildBroker(series),
                files: {
                    ...givenFiles({
                        "server.crt": server.chain,
                        "server.key": server.key,
                        passwd: USERS.map((name) => passwordLine(name, PASSWORD)).join(""),
                        acl: aclFile({
                            users: USERS.map((name) => ({ ...NOTHING, name, everything: true })),
                            everyone: NOTHING,
                            internal: [],
                        }),
                    }),
                    ...givenConf({ ...CONF, clientIds }),
                },
            });
            await broker.start();
        }

        const as = (username: string) => ({
            ...{ username, password: PASSWORD, servername, clientId: "the owner's", clean: false },
        });
        const logIn = (username: string) => logInTo(broker, authority, as(username));

        /** A session whose owner is disconnected, with a queued message. */
        async function leaveSomething(): Promise<void> {
            const owner = await logIn("owner");
            await owner.subscribeAsync("waits", { qos: 1 });
            await owner.endAsync();
            const sender = await logInTo(broker, authority, { ...as("other"), clientId: "sender" });
            await sender.publishAsync("waits", "here", { qos: 1 });
            await sender.endAsync();
        }

        async function comesBack(username: string): Promise<Map<string, string>> {
            const client = await openTo(broker, authority, as(username));
            const came = collect(client, 1);
            await until("the client is connected", () => client.connected);
            return came.finally(() => void client.end(true));
        }

        it("can be taken by any user by default", async () => {
            await start("any");
            await leaveSomething();
            assert.equal((await comesBack("other")).get("waits"), "here");
        });

        it("are bound to the user with clientIds: user, whatever ID the client sends", async () => {
            await start("user");
            await leaveSomething();
            const other = await logIn("other");
            const none: string[] = [];
            other.on("message", (topic) => none.push(topic));
            assert.equal((await comesBack("owner")).get("waits"), "here");
            const owner = await logIn("owner");
            assert.ok(other.connected);
            // Each user has one connection at a time.
            const second = logIn("owner");
            await Promise.all([closed(owner), second]);
            assert.ok(other.connected);
            assert.deepEqual(none, []);
            for (const client of [other, await second]) await client.endAsync(true);
        });
    });
}
