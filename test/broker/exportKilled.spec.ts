// core
import assert from "node:assert/strict";
import { capture } from "../../lib/process.ts";
import { until } from "../../dev/harness/until.ts";
import { logInTo } from "../support/brokerClient.ts";
import type { BrokerContainer } from "../../dev/harness/brokerContainer.ts";
import { ADA, BrokerFixture } from "../support/brokerFixture.ts";
import { pidsOf } from "../support/watchedBroker.ts";

function starting(broker: BrokerContainer) {
    return capture(["docker", "exec", broker.container.id, "broker-backup", "export"]);
}

/** That a backup can be taken as ever, and that it leaves nothing. */
async function goesOn(broker: BrokerContainer): Promise<void> {
    const next = await starting(broker);
    assert.equal(next.code, 0, next.stderr);
    assert.match(next.stdout, /"copyMs":\d+,"files":\[{/);
    await broker.exec("broker-backup", "end");
    const left = (await broker.exec("ls", "-A", "/mosquitto/data")).trim().split("\n");
    assert.deepEqual(
        left.filter((name) => !/^mosquitto\.sqlite3(-wal|-shm)?$|^\.reserve/.test(name)),
        [],
    );
}

describe("the copy for a backup, Mosquitto 2.1", function () {
    this.timeout(120_000);
    const fixture = new BrokerFixture("2.1");

    const states = async (broker: BrokerContainer) =>
        broker.exec("sh", "-c", 'grep -h ^State: /proc/"$(cat /run/broker.pid)"/task/*/status');

    /** A broker whose copy takes until /run/hold is gone, standing still. */
    async function standing() {
        // As on Fly, where the broker is not process 1, which nobody in there can stop.
        const broker = await fixture.start({ host: { Init: true } });
        const client = await logInTo(broker, fixture.authority, ADA);
        await client.publishAsync("before", "kept", { qos: 1, retain: true });
        // `broker-backup` reads the file first, so that the function takes the program's place.
        const slow = 'cp() { while [ -e /run/hold ]; do sleep 0.1; done; command cp "$@"; }';
        await broker.exec("touch", "/run/hold");
        await broker.exec("sh", "-c", `echo '${slow}' >>/usr/local/lib/broker-data`);
        const ended = starting(broker);
        await until("it stands still", async () =>
            /^(State:\s+T.*\n)+$/.test(await states(broker)),
        );
        return { broker, client, ended };
    }

    it("that is killed with all of its group, or does not end, lets the broker go on", async () => {
        const [killed, endless] = await Promise.all([standing(), standing()]);
        // The group's number is its first process's.
        const pids = (await pidsOf(killed.broker, "broker-backup")).map(Number);
        await killed.broker.exec("kill", "-9", `-${Math.min(...pids)}`);
        assert.equal((await killed.ended).code, 137);
        assert.match(await states(killed.broker), /T \(stopped\)/);
        // Acknowledged when the broker goes on, over the same connection.
        for (const { client } of [killed, endless]) {
            await client.publishAsync("meanwhile", "kept", { qos: 1, retain: true });
            await client.endAsync();
        }
        for (const { broker } of [killed, endless]) await broker.exec("rm", "/run/hold");
        const { code, stderr } = await endless.ended;
        assert.notEqual(code, 0);
        assert.match(stderr, /the copy took longer than 30 s, or the broker was killed/);
        for (const { broker } of [killed, endless]) {
            await goesOn(broker);
        }
    });
});
