// core
import assert from "node:assert/strict";
import type { MqttClient } from "mqtt";
import { SERIES } from "../../broker/conf.ts";
import { logInTo, retained } from "../support/brokerClient.ts";
import { CONF, givenConf } from "../../dev/harness/brokerConf.ts";
import { BrokerContainer, buildBroker } from "../../dev/harness/brokerContainer.ts";
import { ADA, filesForAda } from "../support/brokerFixture.ts";
import { makeAuthority, type Authority } from "../../dev/harness/certificates.ts";
import { until } from "../../dev/harness/until.ts";

/** Size of a message; some thousand of them fill the broker's 128 MB. */
const BODY = "x".repeat(50_000);
/** Messages read at once; a client's queue is limited too. */
const TOGETHER = 100;
/** 2.0 rewrites all its data for each save, so it holds less in this test. */
const HEAP_MB = { "2.1": CONF.limits.memoryMb, "2.0": 16 };

const confWith = (memoryMb: number) => givenConf({ ...CONF, limits: { ...CONF.limits, memoryMb } });

for (const series of SERIES) {
    describe(`memory of Mosquitto ${series} on a machine of 256 MB`, function () {
        this.timeout(90_000);
        let authority: Authority;
        let broker: BrokerContainer;
        let bystander: MqttClient;
        const acknowledged = new Set<string>();

        before(async () => {
            authority = await makeAuthority();
            broker = await BrokerContainer.create({
                image: await buildBroker(series),
                memoryMb: 256,
                host: { RestartPolicy: { Name: "always" } },
                files: await filesForAda(authority, confWith(HEAP_MB[series])),
            });
            await broker.start();
            bystander = await logInTo(broker, authority, ADA);
            await bystander.subscribeAsync("live/#", { qos: 1 });
        });
        after(async () => {
            bystander.end(true);
            await broker.remove();
        });

        it("is limited in 2.1: a client that publishes beyond it is disconnected, no other one", async () => {
            const greedy = await logInTo(broker, authority, ADA);
            const cutOff = new Promise((resolve) => greedy.once("close", () => resolve("cut off")));
            greedy.on("error", () => undefined);
            const most = (HEAP_MB[series] * 2 ** 20 * 2) / BODY.length;
            let end: unknown;
            for (let i = 0; i < most && end === undefined; i++) {
                const topic = `kept/${Math.floor(i / TOGETHER)}/${i}`;
                const done = greedy.publishAsync(topic, BODY, { qos: 1, retain: true });
                end = await Promise.race([done.then(() => undefined), cutOff]);
                if (end === undefined) acknowledged.add(topic);
            }
            assert.ok(acknowledged.size > most / 4, `${acknowledged.size} messages were taken`);
            assert.ok(bystander.connected);
            if (series === "2.1") {
                assert.equal(end, "cut off", `${acknowledged.size} messages were taken`);
                await broker.says(/out of memory/i);
            }
            const { State } = await broker.container.inspect();
            assert.deepEqual([State.Running, State.OOMKilled], [true, false]);
        });

        it("that runs out makes the kernel kill the broker, which is restarted", async () => {
            // Makes the kernel choose the broker among the container's processes.
            const hog = 'echo 1000 >/proc/"$(cat /run/broker.pid)"/oom_score_adj; tail /dev/zero';
            await assert.rejects(broker.exec("sh", "-c", hog));
            await until(
                "the broker runs again",
                async () => ((await broker.log()).match(/running$/gm)?.length ?? 0) >= 2,
                { withinMs: 60_000 },
            );
            await broker.says(/Warning: the broker ended by SIGKILL/);
        });

        it("that ran out has cost no data, as a larger limit shows", async () => {
            await broker.stop();
            await broker.put(confWith(HEAP_MB[series] + 32));
            await broker.start();
            const lost = new Set(acknowledged);
            for (let i = 0; i * TOGETHER < acknowledged.size; i++) {
                const found = await retained(broker, authority, ADA, `kept/${i}`);
                for (const [topic, body] of found) if (body === BODY) lost.delete(topic);
            }
            assert.deepEqual([...lost], []);
        });
    });
}
