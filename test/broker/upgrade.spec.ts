// core
import assert from "node:assert/strict";
import type { MqttClient } from "mqtt";
import { SERIES, type Series } from "../../broker/conf.ts";
import { logInTo, openTo } from "../support/brokerClient.ts";
import {
    BrokerContainer,
    buildBroker,
    makeVolume,
    removeVolume,
} from "../../dev/harness/brokerContainer.ts";
import { ADA, filesForAda } from "../support/brokerFixture.ts";
import { makeAuthority, type Authority } from "../../dev/harness/certificates.ts";

const AWAY = { clientId: "away", clean: false };

/** A volume that moves between the images of the two series. */
describe("data under another series of Mosquitto", function () {
    this.timeout(60_000);
    const images = {} as Record<Series, string>;
    let authority: Authority;
    let files: Record<string, string>;
    let volume: string;
    let broker: BrokerContainer;

    before(async () => {
        for (const series of SERIES) images[series] = await buildBroker(series);
        authority = await makeAuthority();
        files = await filesForAda(authority);
    });
    beforeEach(async () => {
        volume = await makeVolume();
    });
    afterEach(async () => {
        await broker.remove();
        await removeVolume(volume);
    });

    async function start(series: Series): Promise<void> {
        broker = await BrokerContainer.create({ image: images[series], volume, files });
        await broker.start();
    }

    async function change(series: Series): Promise<void> {
        assert.equal(await broker.stop(), 0);
        await broker.remove();
        await start(series);
    }

    /** Leaves a retained message, and one of each QoS for a disconnected session. */
    async function leave(): Promise<void> {
        const away = await logInTo(broker, authority, { ...ADA, ...AWAY });
        await away.subscribeAsync("queue/#", { qos: 2 });
        await away.endAsync();
        const client = await logInTo(broker, authority, ADA);
        await client.publishAsync("kept", "retained", { qos: 1, retain: true });
        await publishBoth(client, "first");
        await client.endAsync();
    }

    async function publishBoth(client: MqttClient, round: string): Promise<void> {
        await client.publishAsync("queue/1", `${round} QoS 1`, { qos: 1 });
        await client.publishAsync("queue/2", `${round} QoS 2`, { qos: 2 });
    }

    /** Messages that reach the returning session, and retained ones. */
    async function found(): Promise<string[]> {
        const came: string[] = [];
        const back = await openTo(broker, authority, { ...ADA, ...AWAY });
        back.on("message", (_, payload) => void came.push(payload.toString()));
        await new Promise((resolve) => void back.once("connect", resolve));
        await back.subscribeAsync(["kept", "end"], { qos: 2 });
        await back.publishAsync("end", "end", { qos: 2 });
        // The broker delivers in order, so everything else has arrived before.
        while (!came.includes("end")) await new Promise((resolve) => setTimeout(resolve, 20));
        await back.unsubscribeAsync(["kept", "end"]);
        await back.endAsync();
        return came.filter((text) => text !== "end").toSorted();
    }
    const ALL = ["first QoS 1", "first QoS 2", "retained"];

    it("of 2.0 is complete in 2.1, and in 2.0 again", async () => {
        await start("2.0");
        await leave();
        await change("2.1");
        assert.deepEqual(await found(), ALL);
        const client = await logInTo(broker, authority, ADA);
        await publishBoth(client, "second");
        await client.endAsync();
        await broker.says(/stays in its format/);
        assert.match(await broker.exec("broker-backup", "info"), /"series":"2.0"/);
        await broker.kill();
        await broker.remove();
        await start("2.1");
        await change("2.0");
        const all = ["retained", "second QoS 1", "second QoS 2"];
        assert.deepEqual(await found(), all);
    });

    it("of 2.1 is put aside by 2.0 with a warning, and is there for 2.1 again", async () => {
        await start("2.1");
        await leave();
        await change("2.0");
        assert.deepEqual(await found(), []);
        const told =
            /sqlite3 cannot be read: it is of a later Mosquitto, 2\.1\. It is kept as (\S+);/;
        const kept = told.exec(await broker.log())?.[1];
        assert.ok(kept, await broker.log());
        await broker.exec("sh", "-c", `cd /mosquitto/data && mv ${kept} mosquitto.sqlite3`);
        await broker.kill();
        await broker.remove();
        await start("2.1");
        assert.deepEqual(await found(), ALL);
    });
});
