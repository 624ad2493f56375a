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

/** Some thousand of them are the broker's 128 MB. */
const BODY = "x".repeat(50_000);
/** Read at once: what waits for a client is limited too. */
const TOGETHER = 100;
/** 2.0 writes all that it holds for each save, so it gets less to hold. */
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

        it("is bounded in 2.1: who publishes more than it holds is cut off, nobody else", async () => {
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

        it("when the kernel takes it nevertheless is started again", async () => {
            // Of the two the kernel takes the broker, as it would if nothing else were there.
            const hog = 'echo 1000 >/proc/"$(cat /run/broker.pid)"/oom_score_adj; tail /dev/zero';
            await assert.rejects(broker.exec("sh", "-c", hog));
            await until(
                "it runs again",
                async () => ((await broker.log()).match(/running$/gm)?.length ?? 0) >= 2,
                { withinMs: 60_000 },
            );
            await broker.says(/Warning: the broker ended by SIGKILL/);
        });

        it("has lost nothing, as a larger limit shows", async () => {
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
