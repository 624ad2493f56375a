// core
/** Attacks with certificates that are let in: each client has the rights of its certificate's name, and no others. */
import assert from "node:assert/strict";
import type { MqttClient } from "mqtt";
import { SERIES } from "../../broker/conf.ts";
import { ADA } from "../support/brokerFixture.ts";
import { Devices, type Client } from "./support/devices.ts";

/** Names of certificates by the broker's own CA that are no device's. */
const STRANGE_NAMES = {
    "a capital letter": "Pump",
    "a space behind it": "pump ",
    "a wide letter": "\uff50ump",
    "a zero-width space": "pump\u200b",
    "the wildcard +": "+",
    "the wildcard #": "#",
    "a wildcard in it": "pum+",
    "a level more": "pump/#",
    "no letter": "",
};

for (const series of process.env.APPKATA_SCOPE === "core" ? SERIES.slice(0, 1) : SERIES) {
    describe(`attacks with certificates' names on Mosquitto ${series}`, function () {
        this.timeout(30_000);
        const devices = new Devices(series);

        it("(pump's own certificate has pump's rights)", async () => {
            const pump = await devices.connect(devices.pairs.pump!);
            assert.deepEqual(await rightsOf(pump), ["pump"]);
        });

        it("a certificate with another user's name and password stays its own user", async () => {
            const { username, password } = ADA;
            const lamp = await devices.connect(devices.pairs.lamp!, { username, password });
            assert.deepEqual(await rightsOf(lamp), ["lamp"]);
        });

        it("a certificate with several names is the first one's", async () => {
            const two = { subject: [{ CN: ["pump"] }, { CN: ["lamp"] }] };
            const pump = await devices.connect(await devices.issue("", two));
            assert.deepEqual(await rightsOf(pump), ["pump"]);
        });

        for (const [what, name] of Object.entries(STRANGE_NAMES)) {
            it(`a certificate whose name has ${what} has no rights of others`, async () => {
                const client = await devices.connect(await devices.issue(name));
                assert.deepEqual(await rightsOf(client), []);
                await receivesNothing(devices, client);
            });
        }

        it("a certificate with the monitor's name has none of its rights", async () => {
            const [monitor] = /appkata-monitor-\w+/.exec(
                await devices.broker.exec("cat", "/etc/mosquitto/acl"),
            )!;
            for (const name of ["appkata-monitor", "appkata-monitor-", `${monitor}0`]) {
                const client = await devices.connect(await devices.issue(name));
                assert.deepEqual(await rightsOf(client), [], name);
                await receivesNothing(devices, client);
            }
            await devices.broker.stop();
            await devices.broker.start();
            const client = await devices.connect(await devices.issue(monitor));
            assert.deepEqual(await rightsOf(client), [], "its name before a restart");
        });

        it("a certificate with the verification's name has the verification's topics only", async () => {
            const client = await devices.connect(await devices.issue("appkata-verification"));
            assert.deepEqual(await rightsOf(client), ["appkata-mqtt/verification"]);
        });

        it("a device with another's client ID receives none of what waits for that", async () => {
            const kept = {
                clientId: "lamp-1",
                clean: false,
                properties: { sessionExpiryInterval: 60 },
            };
            const lamp = await devices.connect(devices.pairs.lamp!, kept);
            await lamp.subscribeAsync("lamp/#", { qos: 1 });
            await lamp.endAsync();
            const other = await devices.connect(devices.pairs.lamp!);
            await other.publishAsync("lamp/waits", "secret", { qos: 1 });
            const pump = await devices.connect(devices.pairs.pump!, kept);
            await other.publishAsync("lamp/new", "secret", { qos: 1 });
            await pump.publishAsync("pump/end", "", { qos: 1 });
            assert.deepEqual(pump.seen, []);
        });
    });
}

/** Names of the users to whose topics a client may publish, and the broker's own topics that it may publish to. */
async function rightsOf(client: MqttClient): Promise<string[]> {
    const all = [
        ...["pump", "lamp", "ada", "old", "appkata-mqtt/verification"],
        ...["$appkata/monitor", "$CONTROL/dynamic-security/v1", "$SYS/broker"],
    ];
    const granted: string[] = [];
    for (const one of all) {
        const topic = one.startsWith("$") ? one : `${one}/x`;
        const done = await client.publishAsync(topic, "{}", { qos: 1 }).then(
            () => true,
            () => false,
        );
        if (done) granted.push(one);
    }
    return granted;
}

/** Checks that a client is sent neither what the devices publish nor what the broker says of itself. */
async function receivesNothing(devices: Devices, client: Client): Promise<void> {
    for (const filter of [
        "#",
        "+/x",
        "pump/#",
        "of/pump/#",
        "$SYS/#",
        "$appkata/#",
        "$CONTROL/#",
    ]) {
        await client.subscribeAsync(filter, { qos: 1 }).catch(() => undefined);
    }
    const pump = await devices.connect(devices.pairs.pump!);
    for (const topic of ["pump/x", "of/pump/x"]) await pump.publishAsync(topic, "", { qos: 1 });
    // Answered after whatever the broker had to send before it.
    await client.unsubscribeAsync("#");
    assert.deepEqual(client.seen, []);
}
