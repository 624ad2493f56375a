import assert from "node:assert/strict";
import { SERIES, type Series } from "../../broker/conf.ts";
import { DATA_COMMAND, readListing } from "../../verification/machineData.ts";
import { logInTo, openTo, retained } from "../support/brokerClient.ts";
import { CONF, givenConf } from "../../dev/harness/brokerConf.ts";
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
/** 15 MB, half retained and half queued. */
const COUNT = 150;
const BODY = "x".repeat(50_000);

interface Machine {
    memoryLimitMb: number;
    memoryMb?: number;
}

/** 2.1 only: it would otherwise start with part of the data and drop the rest. 2.0 has no limit. */
for (const series of SERIES) {
    describe(`data larger than a lowered memory limit, Mosquitto ${series}`, function () {
        this.timeout(60_000);
        const images = {} as Record<Series, string>;
        let authority: Authority;
        let volume: string;
        let broker: BrokerContainer;

        before(async () => {
            images[series] = await buildBroker(series);
            authority = await makeAuthority();
        });
        beforeEach(async () => {
            volume = await makeVolume();
            await start({ memoryLimitMb: 32 });
            const away = await logInTo(broker, authority, { ...ADA, ...AWAY });
            await away.subscribeAsync("queue", { qos: 1 });
            await away.endAsync();
            const client = await logInTo(broker, authority, ADA);
            for (let at = 0; at < COUNT; at++) {
                await client.publishAsync(`kept/${at}`, BODY, { qos: 1, retain: true });
                await client.publishAsync("queue", `${at} ${BODY}`, { qos: 1 });
            }
            await client.endAsync();
        });
        afterEach(async () => {
            await broker.remove();
            await removeVolume(volume);
        });

        async function start({ memoryLimitMb, memoryMb = 256 }: Machine): Promise<void> {
            const limits = { ...CONF.limits, memoryMb: memoryLimitMb };
            const files = await filesForAda(authority, givenConf({ ...CONF, limits }));
            broker = await BrokerContainer.create({
                ...{ image: images[series], volume, files, memoryMb },
            });
            await broker.start();
        }

        async function startAnew(machine: Machine): Promise<void> {
            const { State } = await broker.container.inspect();
            if (State.Running) assert.equal(await broker.stop(), 0);
            await broker.remove();
            await start(machine);
        }

        async function allIsThere(): Promise<void> {
            const kept = await retained(broker, authority, ADA, "kept");
            assert.equal([...kept.values()].filter((body) => body === BODY).length, COUNT);
            const came: string[] = [];
            const back = await openTo(broker, authority, { ...ADA, ...AWAY });
            back.on("message", (_, payload) => void came.push(payload.toString()));
            await until("all queued messages arrive", () => came.length === COUNT);
            assert.deepEqual(
                came,
                Array.from({ length: COUNT }, (_, at) => `${at} ${BODY}`),
            );
            await back.endAsync();
        }

        if (series === "2.1") {
            it("is kept by raising memoryLimitMb, with a warning", async () => {
                await startAnew({ memoryLimitMb: 8 });
                await broker.says(
                    /Warning: the data needs more memory than memoryLimitMb, which is 8: the limit is 1\d until you set it so high/,
                );
                await broker.kill();
                await broker.start();
                const { warnings } = readListing(await broker.exec(...DATA_COMMAND));
                assert.match(warnings[0]!, /memoryLimitMb, which is 8; the limit is 1\d MB until/);
                // Reading all of it at once takes more memory.
                await startAnew({ memoryLimitMb: 32 });
                await allIsThere();
            });

            it("keeps to memoryLimitMb again once there is less data", async () => {
                await startAnew({ memoryLimitMb: 10 });
                await broker.says(/Warning: the data needs more/);
                const client = await logInTo(broker, authority, ADA);
                for (let at = 0; at < COUNT; at++) {
                    await client.publishAsync(`kept/${at}`, "", { qos: 1, retain: true });
                }
                await client.endAsync();
                await broker.stop();
                const before = (await broker.log()).length;
                await broker.start();
                assert.doesNotMatch((await broker.log()).slice(before), /Warning/);
                const found = await broker.exec(...DATA_COMMAND);
                assert.match(found, /^memory_limit 10485760$/m);
                assert.deepEqual(readListing(found).warnings, []);
            });
        }

        it("is unchanged on a machine with too little memory for it, and the log says so", async () => {
            await startAnew({ memoryLimitMb: 8, memoryMb: 14 });
            await broker.says(
                /the data needs more memory than the machine has: set memoryMb higher/,
            );
            assert.equal(await broker.exitCode(), 78);
            await startAnew({ memoryLimitMb: 32 });
            await allIsThere();
        });
    });
}
