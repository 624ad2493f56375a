import assert from "node:assert/strict";
import type { MqttClient } from "mqtt";
import { SERIES } from "../../broker/conf.ts";
import { collect, logInTo, openTo, retained } from "../support/brokerClient.ts";
import { BrokerContainer, buildBroker } from "../support/brokerContainer.ts";
import { ADA, filesForAda } from "../support/brokerFixture.ts";
import { makeAuthority, type Authority } from "../support/certificates.ts";
import { SmallVolume } from "../support/smallVolume.ts";
import { until } from "../support/until.ts";

const DEVICE = { ...ADA, clientId: "device", clean: false };
const BODY = "x".repeat(4000);
/** What the volume, filled, could not take; 2.0 writes the whole file for each of its saves. */
const TOO_MUCH = { "2.1": 2000, "2.0": 50 };

for (const series of SERIES) {
    describe(`full volume on Mosquitto ${series}`, function () {
        this.timeout(90_000);
        let authority: Authority;
        let volume: SmallVolume;
        let broker: BrokerContainer;
        /** Topics of what was acknowledged while there was room. */
        const kept = new Set<string>();

        before(async () => {
            authority = await makeAuthority();
            volume = await SmallVolume.make(32);
            broker = await BrokerContainer.create({
                image: await buildBroker(series),
                volume: volume.name,
                memoryMb: 256,
                files: await filesForAda(authority),
            });
            await broker.start();
            const device = await logInTo(broker, authority, DEVICE);
            await device.subscribeAsync("queued", { qos: 1 });
            await device.endAsync();
            const client = await logInTo(broker, authority, ADA);
            await client.publishAsync("queued", "q", { qos: 1 });
            await publish(client, "before", 200, kept);
            await client.endAsync();
        });
        after(async () => {
            await broker.remove();
            await volume.remove();
        });

        /** Publishes retained messages and waits until all are acknowledged. */
        async function publish(to: MqttClient, name: string, count: number, topics: Set<string>) {
            for (let sent = 0; sent < count;) {
                const some = Array.from({ length: Math.min(50, count - sent) }, () => sent++);
                await Promise.all(
                    some.map(async (i) => {
                        const topic = `kept/${name}/${i}`;
                        await to.publishAsync(topic, BODY, { qos: 1, retain: true });
                        topics.add(topic);
                    }),
                );
            }
        }

        /** As the broker's user, which gets none of what the file system keeps for root. */
        async function fill(): Promise<void> {
            const write = (size: number) =>
                `dd if=/dev/zero bs=${size} >>/mosquitto/data/ballast 2>/dev/null`;
            const script = `${write(65_536)}; ${write(512)}; true`;
            await broker.exec("su", "-s", "/bin/sh", "mosquitto", "-c", script);
        }

        async function makeRoom(): Promise<void> {
            await broker.exec("rm", "/mosquitto/data/ballast");
        }

        async function expectKept(): Promise<void> {
            const found = await retained(broker, authority, ADA, "kept");
            assert.deepEqual(
                [...kept].filter((topic) => found.get(topic) !== BODY),
                [],
            );
        }

        const says = (what: RegExp) =>
            until(`the log says ${String(what)}`, async () => what.test(await broker.log()), {
                withinMs: 60_000,
            });

        it("does not end the broker, and the log tells of it", async () => {
            await fill();
            const client = await logInTo(broker, authority, ADA);
            await client.subscribeAsync("live", { qos: 1 });
            await publish(client, "meanwhile", TOO_MUCH[series], new Set());
            const came = collect(client, 1);
            await client.publishAsync("live", "here", { qos: 1 });
            assert.equal((await came).get("live"), "here");
            await client.endAsync();
            await says(
                series === "2.1"
                    ? /Warning: the volume is full: .* memory only/
                    : /No space left on device/,
            );
        });

        it("once it has room again takes all that is acknowledged from then on", async () => {
            await makeRoom();
            if (series === "2.1") await says(/the volume has room again/);
            const client = await logInTo(broker, authority, ADA);
            await publish(client, "after", 100, kept);
            await client.endAsync();
            // 2.0's promise is about what is older than one second.
            await new Promise((resolve) => setTimeout(resolve, 1000));
            await broker.kill();
            await broker.start();
            await expectKept();
        });

        it("lets the broker start, with all that was kept", async () => {
            await fill();
            await broker.kill();
            await broker.start();
            await expectKept();
            if (series === "2.1") await says(/Its reserve of \d MB is given up/);
            const device = await openTo(broker, authority, DEVICE);
            assert.equal((await collect(device, 1)).get("queued"), "q");
            await device.endAsync();
        });

        if (series === "2.0") return;

        it("without a reserve is waited out: the broker starts when there is room", async () => {
            await fill();
            await broker.kill();
            const before = (await broker.log()).length;
            await broker.container.start();
            await says(/The broker starts as soon as there is room/);
            await makeRoom();
            await until(
                "it runs",
                async () => /running$/m.test((await broker.log()).slice(before)),
                { withinMs: 60_000 },
            );
            await expectKept();
        });

        it("that grows has room for the broker and for a reserve again", async () => {
            await fill();
            await broker.kill();
            await volume.grow(96);
            await broker.start();
            await expectKept();
            assert.equal(await broker.stop(), 0);
            await broker.start();
            await broker.exec("test", "-s", "/mosquitto/data/.reserve");
        });
    });
}
