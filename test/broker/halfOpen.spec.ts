import assert from "node:assert/strict";
import { connect, type Socket } from "node:net";
import type { MqttClient } from "mqtt";
import { collect, logInTo } from "../support/brokerClient.ts";
import { CONF } from "../../dev/harness/brokerConf.ts";
import { BrokerContainer, buildBroker } from "../../dev/harness/brokerContainer.ts";
import { ADA, filesForAda } from "../support/brokerFixture.ts";
import { makeAuthority, type Authority } from "../../dev/harness/certificates.ts";
import { until } from "../../dev/harness/until.ts";

const CONNECTIONS = 10_000;
const INSIDE = 20;

/** Runs on 2.1 only: 2.0 differs in dropping them after 90 seconds. */
describe("10,000 half-open connections to a machine of 256 MB", function () {
    this.timeout(90_000);
    let authority: Authority;
    let broker: BrokerContainer;
    let inside: MqttClient[];
    let cutOff = 0;
    const sockets: Socket[] = [];

    before(async () => {
        authority = await makeAuthority();
        broker = await BrokerContainer.create({
            image: await buildBroker("2.1"),
            memoryMb: 256,
            // More file descriptors than a machine may allow by default; the broker needs them.
            host: { Ulimits: [{ Name: "nofile", Soft: 256, Hard: 4096 }] },
            files: await filesForAda(authority),
        });
        await broker.start();
        inside = await Promise.all(
            Array.from({ length: INSIDE }, () => logInTo(broker, authority, ADA)),
        );
        for (const client of inside) client.on("close", () => cutOff++);
    });
    after(async () => {
        for (const socket of sockets) socket.destroy();
        for (const client of inside) client.end(true);
        await broker.remove();
    });

    /** Number of the broker's connections. */
    async function held(): Promise<number> {
        const listed = await broker.exec("netstat", "-tn");
        return listed.split("\n").filter((line) => /:1883 .* ESTABLISHED/.test(line)).length;
    }

    it("neither end the broker, nor disconnect or delay its clients", async () => {
        const host = await broker.privateAddress();
        // Opens connections and stays silent. The broker closes those beyond its limit, or never accepts them.
        await Promise.all(
            Array.from({ length: CONNECTIONS }, () => {
                const socket = connect({ host, port: 1883 });
                sockets.push(socket);
                return new Promise<void>((resolve) => {
                    socket.once("connect", resolve).once("close", () => resolve());
                    socket.on("error", () => undefined);
                });
            }),
        );
        await until("the broker is full", async () => (await held()) === CONF.limits.connections, {
            withinMs: 60_000,
            everyMs: 200,
        });
        const came = Promise.all(inside.map((client) => collect(client, 1)));
        await Promise.all(inside.map((client) => client.subscribeAsync("live", { qos: 1 })));
        await inside[0]!.publishAsync("live", "here", { qos: 1 });
        for (const received of await came) assert.equal(received.get("live"), "here");
        await broker.says(/denied: max_connections exceeded/);
        const { State } = await broker.container.inspect();
        assert.deepEqual([State.Running, State.OOMKilled], [true, false]);
    });

    it("are dropped after half a minute, and clients can connect again", async () => {
        await until("they are dropped", async () => (await held()) === INSIDE, {
            withinMs: 60_000,
            everyMs: 500,
        });
        assert.ok(sockets.some((socket) => !socket.destroyed && socket.readyState === "open"));
        const client = await logInTo(broker, authority, ADA);
        await client.publishAsync("live", "again", { qos: 1 });
        await client.endAsync();
        assert.equal(cutOff, 0);
    });
});
