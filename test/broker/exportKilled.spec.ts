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

/** Asserts that a backup still works, and leaves nothing behind. */
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

describe("copying the data of Mosquitto 2.1", function () {
    this.timeout(120_000);
    const fixture = new BrokerFixture("2.1");

    const states = async (broker: BrokerContainer) =>
        broker.exec("sh", "-c", 'grep -h ^State: /proc/"$(cat /run/broker.pid)"/task/*/status');

    /** A stopped broker whose copy takes until /run/hold is removed. */
    async function standing() {
        // As on Fly, where the broker is not process 1: nothing inside the container can stop that one.
        const broker = await fixture.start({ host: { Init: true } });
        const client = await logInTo(broker, fixture.authority, ADA);
        await client.publishAsync("before", "kept", { qos: 1, retain: true });
        // `broker-backup` sources this file first, so the function replaces the program.
        const slow = 'cp() { while [ -e /run/hold ]; do sleep 0.1; done; command cp "$@"; }';
        await broker.exec("touch", "/run/hold");
        await broker.exec("sh", "-c", `echo '${slow}' >>/usr/local/lib/broker-data`);
        const ended = starting(broker);
        await until("the broker is stopped", async () =>
            /^(State:\s+T.*\n)+$/.test(await states(broker)),
        );
        return { broker, client, ended };
    }

    it("resumes the broker when the copy is killed with its process group, or never ends", async () => {
        const [killed, endless] = await Promise.all([standing(), standing()]);
        // A group's ID is the PID of its first process.
        const pids = (await pidsOf(killed.broker, "broker-backup")).map(Number);
        await killed.broker.exec("kill", "-9", `-${Math.min(...pids)}`);
        assert.equal((await killed.ended).code, 137);
        assert.match(await states(killed.broker), /T \(stopped\)/);
        // The broker acknowledges once it runs again, over the same connection.
        for (const { client } of [killed, endless]) {
            await client.publishAsync("meanwhile", "kept", { qos: 1, retain: true });
            await client.endAsync();
        }
        for (const { broker } of [killed, endless]) await broker.exec("rm", "/run/hold");
        const { code, stderr } = await endless.ended;
        assert.notEqual(code, 0);
        assert.match(
            stderr,
            /the copy is not consistent: it took longer than 30 s, or the broker was killed/,
        );
        for (const { broker } of [killed, endless]) {
            await goesOn(broker);
        }
    });
});
