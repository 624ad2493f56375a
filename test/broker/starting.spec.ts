// core
import assert from "node:assert/strict";
import { SERIES } from "../../broker/conf.ts";
import { collect, logInTo, openTo } from "../support/brokerClient.ts";
import { CONF, givenConf, passwordLine } from "../../dev/harness/brokerConf.ts";
import { type BrokerContainer } from "../../dev/harness/brokerContainer.ts";
import { ADA, BrokerFixture, TROUBLE } from "../support/brokerFixture.ts";

for (const series of SERIES) {
    describe(`start of the broker on Mosquitto ${series}`, function () {
        this.timeout(60_000);
        const fixture = new BrokerFixture(series);

        describe("data", () => {
            const COUNT = 10;
            const DEVICE = { ...ADA, clientId: "device", clean: false };

            /** Leaves retained messages, and QoS 1 messages queued for a disconnected session. */
            async function fill(broker: BrokerContainer): Promise<void> {
                const device = await logInTo(broker, fixture.authority, DEVICE);
                await device.subscribeAsync("queued/#", { qos: 1 });
                await device.endAsync();
                const sender = await logInTo(broker, fixture.authority, ADA);
                for (let i = 0; i < COUNT; i++) {
                    await sender.publishAsync(`kept/${i}`, `k${i}`, { qos: 1, retain: true });
                    await sender.publishAsync(`queued/${i}`, `q${i}`, { qos: 1 });
                }
                await sender.endAsync();
            }

            async function expectAll(broker: BrokerContainer): Promise<void> {
                const expected = (name: string) =>
                    Array.from({ length: COUNT }, (_, i) => `${name}/${i}=${name[0]}${i}`);
                const lines = (map: Map<string, string>) =>
                    [...map].map(([topic, payload]) => `${topic}=${payload}`).sort();
                const reader = await logInTo(broker, fixture.authority, ADA);
                const kept = collect(reader, COUNT);
                await reader.subscribeAsync("kept/#", { qos: 1 });
                assert.deepEqual(lines(await kept), expected("kept"));
                await reader.endAsync();
                // The queue arrives with the session, before the client subscribes.
                const device = await openTo(broker, fixture.authority, DEVICE);
                const queued = collect(device, COUNT);
                assert.deepEqual(lines(await queued), expected("queued"));
                await device.endAsync();
            }

            it("survives a stop, in a new container", async () => {
                const volume = await fixture.newVolume();
                const first = await fixture.start({ volume });
                await fill(first);
                assert.equal(await first.stop(), 0);
                await fixture.remove(first);
                await expectAll(await fixture.start({ volume }));
            });

            it("survives SIGKILL, also at the container's second start", async () => {
                const volume = await fixture.newVolume();
                const broker = await fixture.start({ volume });
                await fill(broker);
                // The promise holds for what is older than one second.
                await new Promise((resolve) => setTimeout(resolve, 1000));
                await broker.kill();
                await broker.start();
                await expectAll(broker);
                assert.doesNotMatch(await broker.log(), TROUBLE);
            });
        });

        describe("start", () => {
            it("replaces installed files by newer ones", async () => {
                const broker = await fixture.start();
                await broker.stop();
                const renewed = "new password";
                const changed = { "/etc/appkata/passwd": passwordLine(ADA.username, renewed) };
                await broker.put(changed);
                await broker.start();
                const client = await logInTo(broker, fixture.authority, {
                    ...ADA,
                    password: renewed,
                });
                await client.endAsync();
            });

            for (const name of ["server.crt", "server.key", "passwd", "acl"]) {
                it(`fails naming ${name} when it is missing`, async () => {
                    const without = await fixture.start({ files: allBut(`/etc/appkata/${name}`) });
                    assert.equal(await without.log(), `broker: ${name} is missing\n`);
                    assert.equal(await without.exitCode(), 78);
                });
            }

            it("fails naming the configuration when it is missing or empty", async () => {
                const file = `/etc/appkata/mosquitto-${series}.conf`;
                const without = await fixture.start({ files: allBut(file) });
                assert.equal(await without.log(), `broker: ${file} is missing\n`);
                assert.equal(await without.exitCode(), 78);
                const empty = await fixture.start({ files: { ...fixture.files, [file]: "" } });
                assert.equal(await empty.log(), `broker: ${file} is empty\n`);
                assert.equal(await empty.exitCode(), 78);
            });

            if (series === "2.1") {
                // The broker would run without the rules, and refuse no subscription.
                it("fails if reading the users' grants needs more memory than the limit", async () => {
                    const limits = { ...CONF.limits, memoryMb: 4 };
                    const acl = Array.from(
                        { length: 1500 },
                        (_, i) => `user u${i}\ntopic read u/${i}/#\ntopic read all/#\n`,
                    ).join("");
                    const broker = await fixture.start({
                        files: {
                            ...fixture.files,
                            ...givenConf({ ...CONF, limits }),
                            "/etc/appkata/acl": acl,
                        },
                    });
                    await broker.says(
                        /^broker: reading the users' grants needs 8 MB of memory: set/m,
                    );
                    assert.equal(await broker.exitCode(), 78);
                });
            }

            function allBut(file: string): Record<string, string> {
                const files = { ...fixture.files };
                delete files[file];
                return files;
            }
        });
    });
}
