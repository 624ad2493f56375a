// core
import assert from "node:assert/strict";
import type { MqttClient } from "mqtt";
import { SERIES } from "../../broker/conf.ts";
import { closed } from "../support/brokerClient.ts";
import { applyFiles } from "../support/brokerFixture.ts";
import { EVERYONE, filesOf, granted, Subscribers, USERS } from "../support/subscribers.ts";

const wider = USERS.map((user) => (user.name === "bob" ? { ...user, read: ["alice/jobs"] } : user));
const kept = { clientId: `bob's "own"`, clean: false };

for (const series of SERIES) {
    describe(`subscriptions while grants change on Mosquitto ${series}`, function () {
        this.timeout(60_000);
        const all = new Subscribers(series);

        it("follow changed grants at once: those users reconnect, nobody else notices", async () => {
            const [bob, alice] = [await all.connect("bob"), await all.connect("alice")];
            const cutOff = closed(bob);
            await applyFiles(all.broker, filesOf(wider));
            await cutOff;
            const again = await all.connect("bob");
            assert.deepEqual(await granted(again, ["alice/jobs", "$share/w/alice/jobs"]), [1, 1]);
            const cutOffAgain = closed(again);
            await applyFiles(all.broker, filesOf());
            await cutOffAgain;
            const last = await all.connect("bob");
            assert.deepEqual(await granted(last, ["alice/jobs", "bob/a"]), [0x80, 1]);
            await applyFiles(all.broker, filesOf(USERS.filter(({ name }) => name !== "writer")));
            await applyFiles(all.broker, filesOf());
            assert.deepEqual(await granted(await all.connect("writer"), ["#", "a"]), [0x80, 0x80]);
            assert.ok(alice.connected && last.connected);
        });

        it("follow a change of everyone's grants, as at a restart", async () => {
            await applyFiles(all.broker, filesOf(USERS, { ...EVERYONE, read: ["all/#"] }));
            for (const restarted of [false, true]) {
                if (restarted) {
                    await all.broker.stop();
                    await all.broker.start();
                }
                for (const name of ["alice", "writer"]) {
                    const codes = await granted(await all.connect(name), ["news", "all/a"]);
                    assert.deepEqual(codes, [0x80, 1]);
                }
            }
            await applyFiles(all.broker, filesOf());
        });

        /** Bob shares alice's jobs with one of her workers. */
        async function both(): Promise<{ bob: MqttClient; worker: MqttClient }> {
            await applyFiles(all.broker, filesOf(wider));
            const bob = await all.connect("bob", kept);
            const worker = await all.connect("alice");
            for (const client of [bob, worker]) {
                assert.deepEqual(await granted(client, ["$share/w/alice/jobs"]), [1]);
            }
            return { bob, worker };
        }

        for (const [what, users] of [
            ["grant", USERS],
            ["user", USERS.filter(({ name }) => name !== "bob")],
        ] as const) {
            it(`of a kept session end with their ${what} if the client is connected`, async () => {
                const { worker } = await both();
                await applyFiles(all.broker, filesOf(users));
                assert.equal(await all.jobsOf(worker), 20);
            });
        }

        it("of a disconnected client last until its session is cleared", async () => {
            const { bob, worker } = await both();
            await bob.endAsync();
            await applyFiles(all.broker, filesOf());
            assert.equal(await all.jobsOf(worker), 10);
            await all.broker.exec("broker-forget", kept.clientId);
            assert.equal(await all.jobsOf(worker), 20);
        });
    });
}
