import assert from "node:assert/strict";
import { SERIES } from "../../broker/conf.ts";
import { closed, logInTo, retained } from "../support/brokerClient.ts";
import { BrokerContainer, buildBroker, getFrom } from "../../dev/harness/brokerContainer.ts";
import { ADA, filesForAda } from "../support/brokerFixture.ts";
import { makeAuthority, type Authority } from "../../dev/harness/certificates.ts";
import { SmallVolume } from "../support/smallVolume.ts";
import { until } from "../../dev/harness/until.ts";
import { DATA_COMMAND, readListing } from "../../verification/machineData.ts";

const DEVICE = { ...ADA, clientId: "device", clean: false };
const BODY = "x".repeat(4000);
/** Megabytes to write; 2.0 is slow, and needs room for a second file. */
const LEFT = { "2.1": 45, "2.0": 33 };
/** Messages read at once; a client's queue is limited. */
const TOGETHER = 100;
for (const series of SERIES) {
    describe(`full volume on Mosquitto ${series}`, function () {
        this.timeout(150_000);
        let authority: Authority;
        let volume: SmallVolume;
        let broker: BrokerContainer;
        /** Topics of acknowledged messages, and the number acknowledged for a disconnected session. */
        const kept = new Set<string>();
        let queued = 0;
        let sent = 0;

        before(async () => {
            authority = await makeAuthority();
            volume = await SmallVolume.make(256);
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
            await publish(200);
        });
        after(async () => {
            await broker.remove();
            await volume.remove();
        });

        /**
         * Publishes retained messages, and as many for the session, until this many are acknowledged or the
         * broker ends.
         */
        async function publish(count: number): Promise<void> {
            const client = await logInTo(broker, authority, ADA);
            client.on("error", () => undefined);
            const ended = closed(client);
            const one = async () => {
                const topic = `kept/${Math.floor(sent / TOGETHER)}/${sent++}`;
                await client.publishAsync(topic, BODY, { qos: 1, retain: true });
                kept.add(topic);
                await client.publishAsync("queued", "q", { qos: 1 });
                queued++;
            };
            for (let done = 0; done < count && client.connected; done += 20) {
                const some = Promise.all(Array.from({ length: 20 }, one));
                some.catch(() => undefined);
                await Promise.race([some, ended]);
            }
            await client.endAsync(true);
        }

        /**
         * Runs as the broker's user, which cannot use the file system's reserve for root; some megabytes stay
         * free.
         */
        async function fill(leave: number): Promise<void> {
            const script =
                "free=$(df -Pm /mosquitto/data | awk 'END { print $4 }'); " +
                `dd if=/dev/zero bs=1M count=$((free - ${leave})) >>/mosquitto/data/ballast 2>/dev/null`;
            await broker.exec("su", "-s", "/bin/sh", "mosquitto", "-c", script);
        }

        async function makeRoom(): Promise<void> {
            await broker.exec("rm", "/mosquitto/data/ballast");
        }

        const running = async () => (await broker.log()).match(/running$/gm)?.length ?? 0;

        /** Waits until the broker has started once more. */
        const runsAgain = (before: number) =>
            until("the broker runs", async () => (await running()) > before, { withinMs: 60_000 });

        async function expectKept(): Promise<void> {
            const lost = new Set(kept);
            for (let at = 0; at * TOGETHER < sent; at++) {
                const found = await retained(broker, authority, ADA, `kept/${at}`);
                for (const [topic, body] of found) if (body === BODY) lost.delete(topic);
            }
            assert.deepEqual([...lost], []);
            const { text } = await getFrom(broker, "/metrics");
            // Each message is stored twice: for the session and as a retained one.
            const stored = Number(/^mosquitto_stored_messages (\d+)$/m.exec(text)?.[1]);
            assert.ok(stored >= kept.size + queued, `${stored} of ${kept.size + queued}`);
        }

        const says = (what: RegExp) => broker.says(what, 60_000);

        it("is announced before it is full", async () => {
            await fill(LEFT[series]);
            await says(/Warning: the volume has \d+ MB left\. At \d+ MB the broker stops/);
            await until("a health check reports it", async () => {
                const { status, text } = await getFrom(broker, "/health");
                return status === 200 && /the volume has \d+ MB left/.test(text);
            });
            const { warnings } = readListing(await broker.exec(...DATA_COMMAND));
            assert.match(warnings[0]!, /the volume has \d+ of \d+ MB left/);
        });

        it("stops the broker in time: nothing acknowledged is lost", async () => {
            const before = await running();
            await publish(20_000);
            await says(/Error: the volume is full: \d+ MB are free, and the broker starts at/);
            const { status, text } = await getFrom(broker, "/health");
            assert.equal(status, 503);
            assert.match(text, /the volume is full: \d+ MB are free, and the broker starts at/);
            assert.ok((await broker.container.inspect()).State.Running);
            await makeRoom();
            await runsAgain(before);
            await expectKept();
        });

        it("stops the broker when something else fills it, also at a start of the machine", async () => {
            await fill(15);
            await says(/Error: the volume is full[^]*Error: the volume is full/);
            await broker.kill();
            const before = await running();
            await broker.container.start();
            await says(/(Error: the volume is full[^]*){3}/);
            await makeRoom();
            await runsAgain(before);
            await publish(100);
            // 2.0 promises to keep what is older than one second.
            await new Promise((resolve) => setTimeout(resolve, 1000));
            await broker.kill();
            await broker.start();
            await expectKept();
        });

        it("lets the broker start once it is larger", async () => {
            await fill(15);
            await says(/(Error: the volume is full[^]*){4}/);
            await broker.kill();
            await volume.grow(384);
            await broker.start();
            await expectKept();
            assert.equal(await broker.stop(), 0);
        });
    });
}
