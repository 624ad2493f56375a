// core
import assert from "node:assert/strict";
import type { MqttClient } from "mqtt";
import { SERIES } from "../../broker/conf.ts";
import { closed, collect, logInTo, openTo } from "../support/brokerClient.ts";
import { passwordLine } from "../../dev/harness/brokerConf.ts";
import { type BrokerContainer, getFrom } from "../../dev/harness/brokerContainer.ts";
import { ADA, applyFiles, BrokerFixture } from "../support/brokerFixture.ts";
import { until } from "../../dev/harness/until.ts";

/** A client that reconnects by itself, as clients do. */
const TENACIOUS = { ...ADA, clientId: "tenacious", clean: false, reconnectPeriod: 100 };

/** Resolves at the client's next login, however many attempts fail before. */
function connected(client: MqttClient): Promise<void> {
    client.on("error", () => undefined);
    return new Promise((resolve) => client.once("connect", () => resolve()));
}

for (const series of SERIES) {
    describe(`a broker that ends, Mosquitto ${series}`, function () {
        this.timeout(90_000);
        const fixture = new BrokerFixture(series);
        let client: MqttClient | undefined;
        afterEach(() => client?.end(true));

        const signalBroker = (broker: BrokerContainer, signal: string) =>
            broker.exec("sh", "-c", `kill -${signal} "$(cat /run/broker.pid)"`);
        const stateOf = async (broker: BrokerContainer) => (await broker.container.inspect()).State;

        /** Milliseconds until a message sent now is acknowledged and received. */
        async function untilServed(client: MqttClient): Promise<number> {
            const begun = performance.now();
            const came = collect(client, 1);
            if (client.connected) await closed(client);
            await connected(client);
            await client.publishAsync("back", "again", { qos: 1 });
            await came;
            client.removeAllListeners("message");
            return performance.now() - begun;
        }

        it("is back within two seconds in the same machine, with its data", async () => {
            const broker = await fixture.start();
            const { StartedAt } = await stateOf(broker);
            client = await openTo(broker, fixture.authority, TENACIOUS);
            await connected(client);
            await client.subscribeAsync("back", { qos: 1 });
            for (const [signal, code] of [
                ["KILL", "by SIGKILL"],
                ["SEGV", "by SIGSEGV"],
            ]) {
                // 2.0 promises to keep what is older than one second.
                await client.publishAsync("kept", signal!, { qos: 1, retain: true });
                await new Promise((resolve) => setTimeout(resolve, 1000));
                const served = untilServed(client);
                await signalBroker(broker, signal!);
                const took = await served;
                assert.ok(took < 2000, `${took} ms after ${signal}`);
                await broker.says(new RegExp(`Warning: the broker ended ${code}`));
                const kept = collect(client, 1);
                await client.subscribeAsync("kept", { qos: 1 });
                assert.equal((await kept).get("kept"), signal);
                await client.unsubscribeAsync("kept");
                client.removeAllListeners("message");
            }
            await until(
                "the health check passes",
                async () =>
                    (await getFrom(broker, "/health").catch(() => undefined))?.status === 200,
                { withinMs: 10_000 },
            );
            const { StartedAt: still, Running } = await stateOf(broker);
            assert.deepEqual([still, Running], [StartedAt, true]);
            await client.endAsync();
            assert.equal(await broker.stop(), 0);
        });

        it("repeatedly ends the machine with its exit code", async () => {
            const broker = await fixture.start();
            const killing =
                "while :; do kill -9 $(cat /run/broker.pid) 2>/dev/null; sleep 0.1; done";
            broker.exec("sh", "-c", killing).catch(() => undefined);
            await until("the machine has ended", async () => !(await stateOf(broker)).Running, {
                withinMs: 60_000,
            });
            assert.equal(await broker.exitCode(), 137);
            await broker.says(
                /Error: the broker ended by SIGKILL, 5 times in a row soon after its start\. The machine ends too\./,
            );
        });

        for (const signal of ["SIGTERM", "SIGINT"]) {
            it(`is stopped gracefully by the machine's ${signal}`, async () => {
                const broker = await fixture.start();
                const client = await logInTo(broker, fixture.authority, ADA);
                await client.publishAsync("kept", "k", { qos: 1, retain: true });
                await broker.container.kill({ signal });
                await broker.container.wait();
                assert.equal(await broker.exitCode(), 0);
                await broker.says(/mosquitto version \S+ terminating\n/);
            });
        }

        it("passes on the machine's SIGHUP", async () => {
            const broker = await fixture.start();
            await broker.container.kill({ signal: "SIGHUP" });
            await broker.says(/Reloading config/);
            assert.ok((await stateOf(broker)).Running);
        });

        it("while files are applied starts with the new ones", async () => {
            const broker = await fixture.start();
            for (const password of ["first", "second", "third"]) {
                const passwd = passwordLine(ADA.username, password);
                const applied = applyFiles(broker, { passwd });
                await signalBroker(broker, "KILL").catch(() => undefined);
                await applied;
                const client = await logInTo(broker, fixture.authority, { ...ADA, password });
                await client.endAsync();
            }
        });
    });
}
