// core
import assert from "node:assert/strict";
import { SERIES, type Series } from "../../broker/conf.ts";
import { limitsOf, type Limits } from "../../broker/limits.ts";
import { CONF, givenConf } from "../../dev/harness/brokerConf.ts";
import { logInTo, openTo } from "../support/brokerClient.ts";
import {
    BrokerContainer,
    buildBroker,
    makeVolume,
    removeVolume,
} from "../../dev/harness/brokerContainer.ts";
import { ADA, filesForAda } from "../support/brokerFixture.ts";
import { makeAuthority, type Authority } from "../../dev/harness/certificates.ts";
import { until } from "../../dev/harness/until.ts";

const AWAY = { clientId: "away", clean: false };
const SENT = Array.from({ length: 20 }, (_, at) => `${at}`.padEnd(1000, "."));

describe("queued messages beyond a lowered limit", function () {
    this.timeout(60_000);
    const images = {} as Record<Series, string>;
    let authority: Authority;
    let volume: string;
    let broker: BrokerContainer;

    before(async () => {
        for (const series of SERIES) images[series] = await buildBroker(series);
        authority = await makeAuthority();
    });
    beforeEach(async () => {
        volume = await makeVolume();
    });
    afterEach(async () => {
        await broker.remove();
        await removeVolume(volume);
    });

    async function start(series: Series, lower: Partial<Limits> = {}): Promise<void> {
        const limits = { ...limitsOf(256), ...lower };
        const files = await filesForAda(authority, givenConf({ ...CONF, limits }));
        broker = await BrokerContainer.create({ image: images[series], volume, files });
        await broker.start();
    }

    async function leave(): Promise<void> {
        const away = await logInTo(broker, authority, { ...ADA, ...AWAY });
        await away.subscribeAsync("queue", { qos: 1 });
        await away.endAsync();
        const client = await logInTo(broker, authority, ADA);
        for (const text of SENT) await client.publishAsync("queue", text, { qos: 1 });
        await client.endAsync();
    }

    async function startAnew(series: Series, lower?: Partial<Limits>): Promise<void> {
        assert.equal(await broker.stop(), 0);
        await broker.remove();
        await start(series, lower);
    }

    /** Messages that reach the returning session: waits for at least this many, and returns all. */
    async function found(atLeast: number): Promise<string[]> {
        const came: string[] = [];
        const back = await openTo(broker, authority, { ...ADA, ...AWAY });
        back.on("message", (_, payload) => void came.push(payload.toString()));
        await new Promise((resolve) => void back.once("connect", resolve));
        await until("they arrive", () => came.length >= atLeast);
        // The broker delivers in order, so everything else has arrived before.
        await back.subscribeAsync("end", { qos: 1 });
        await back.publishAsync("end", "end", { qos: 1 });
        await until("the last message arrives", () => came.includes("end"));
        await back.endAsync();
        return came.filter((text) => text !== "end");
    }

    for (const [what, lower] of [
        ["number", { queuedMessages: 5 }],
        // 2.1 still takes the message that crosses the limit.
        ["size", { queuedBytes: 4500 }],
    ] as const) {
        it(`by ${what}: 2.1 drops the newest for good`, async () => {
            await start("2.1");
            await leave();
            await startAnew("2.1", lower);
            await broker.says(/messages are being dropped for client away/);
            await startAnew("2.1");
            assert.deepEqual(await found(5), SENT.slice(0, 5));
        });
    }

    for (const after of SERIES) {
        it(`are kept by ${after} if the data is 2.0's`, async () => {
            await start("2.0");
            await leave();
            await startAnew(after, { queuedMessages: 5, queuedBytes: 4500 });
            assert.deepEqual(await found(SENT.length), SENT);
        });
    }
});
