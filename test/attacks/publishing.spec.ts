// core
import assert from "node:assert/strict";
import { Front, KINDS } from "./support/front.ts";
import { LEVELS, packet, property, publish, subscribe } from "./support/packets.ts";
import type { RawClient } from "./support/rawClient.ts";

/** Who tries it, and with what. */
interface Attempt {
    front: Front;
    user: string;
    level: number;
    topic: string;
    payload: string;
}

interface Attack {
    name: string;
    /** Protocol levels. Default: all. */
    levels?: number[];
    send: (attempt: Attempt) => Promise<void>;
}

const MQTT_5 = [5];

const ATTACKS: Attack[] = [
    ...[
        ...[0, 1, 2].flatMap((qos) => [{ qos }, { qos, retain: true }]),
        // With QoS 0 it would be malformed.
        ...[1, 2].map((qos) => ({ qos, dup: true })),
    ].map((flags): Attack => ({
        name: `a message with ${JSON.stringify(flags)}`,
        send: (attempt) => sends(attempt, publish({ ...attempt, ...flags })),
    })),
    {
        name: "a message of QoS 2 whose PUBREL comes on a later connection",
        send: async ({ front, user, level, topic, payload }) => {
            const properties = [property.sessionExpiry(60)];
            const kept = { level, clean: false, clientId: `later-${user}`, properties };
            const client = await front.logIn(user, { ...kept, acknowledges: false });
            client.send(publish({ level, topic, payload, qos: 2 }));
            await client.settled();
            client.cut();
            const again = await front.logIn(user, kept);
            again.send(packet(0x62, Buffer.from([0, 1])));
            await again.settled();
        },
    },
    {
        name: "a message after one that is granted, in the same write",
        send: (attempt) => {
            const granted = publish({ ...attempt, topic: "bob/a", payload: "granted" });
            return sends(attempt, Buffer.concat([granted, publish(attempt)]));
        },
    },
    {
        name: "a will",
        send: ({ front, user, level, topic, payload }) =>
            leavesWill(front, user, { level, will: { topic, payload } }),
    },
    {
        name: "a retained will of QoS 2",
        send: ({ front, user, level, topic, payload }) =>
            leavesWill(front, user, { level, will: { topic, payload, qos: 2, retain: true } }),
    },
    {
        name: "a will after a delay",
        levels: MQTT_5,
        send: ({ front, user, level, topic, payload }) => {
            const will = { topic, payload, properties: [property.willDelay(1)] };
            return leavesWill(front, user, {
                level,
                will,
                properties: [property.sessionExpiry(60)],
            });
        },
    },
    {
        name: "a will at a disconnect that asks for it",
        levels: MQTT_5,
        send: async ({ front, user, level, topic, payload }) => {
            const client = await admitted(front, user, { level, will: { topic, payload } });
            client?.send(packet(0xe0, Buffer.from([0x04, 0])));
        },
    },
    {
        name: "a will that a takeover by the same user sets off",
        send: async ({ front, user, level, topic, payload }) => {
            const clientId = `taken-${user}`;
            await admitted(front, user, { level, clientId, will: { topic, payload } });
            await front.logIn(user, { level, clientId });
        },
    },
    {
        name: "a topic alias, made with the message",
        levels: MQTT_5,
        send: (attempt) =>
            sends(attempt, publish({ ...attempt, properties: [property.topicAlias(1)] })),
    },
    {
        name: "a topic alias, used by a later message",
        levels: MQTT_5,
        send: (attempt) =>
            sends(
                attempt,
                publish({ ...attempt, payload: "alias", properties: [property.topicAlias(1)] }),
                publish({ ...attempt, topic: "", properties: [property.topicAlias(1)] }),
            ),
    },
    {
        name: "a topic alias that was of a granted topic before",
        levels: MQTT_5,
        send: (attempt) => {
            const properties = [property.topicAlias(2)];
            return sends(
                attempt,
                publish({ ...attempt, topic: "bob/a", payload: "granted", properties }),
                publish({ ...attempt, payload: "alias", properties }),
                publish({ ...attempt, topic: "", properties, qos: 1 }),
            );
        },
    },
];

type Login = Parameters<Front["logIn"]>[1];

function sends({ front, user, level }: Attempt, ...packets: Buffer[]): Promise<void> {
    return front.send(user, level, ...packets);
}

/** Logs in with a will, which the broker may refuse at once. */
function admitted(front: Front, user: string, login: Login): Promise<RawClient | undefined> {
    return front.logIn(user, login).catch(() => undefined);
}

async function leavesWill(front: Front, user: string, login: Login): Promise<void> {
    (await admitted(front, user, login))?.cut();
}

for (const kind of KINDS) {
    describe(`bob writes to alice's topic at ${kind.name} by`, function () {
        this.timeout(60_000);
        const front = new Front(kind);
        let topics = 0;

        for (const { name, levels = [...LEVELS.keys()], send } of ATTACKS) {
            it(`${name}: refused`, async () => {
                const topic = `alice/${topics++}`;
                const alice = await front.watch("alice", "alice/#");
                for (const level of levels) {
                    const version = LEVELS.get(level)!;
                    await send({ front, user: "bob", level, topic, payload: "bob's" });
                    // The same by who may do it, which also shows that bob's would have come by then.
                    const payload = `admin's by ${version}`;
                    await send({ front, user: "admin", level, topic, payload });
                    await alice.until(payload, () => alice.payloads.includes(payload));
                    assert.ok(!alice.payloads.includes("bob's"), version);
                }
                const later = await front.watch("alice", topic, { retained: true });
                await later.settled();
                assert.ok(!later.payloads.includes("bob's"), "it is retained");
            });
        }

        it("an empty retained message, to remove hers: it stays", async () => {
            const kept = { front, user: "alice", topic: "alice/kept", payload: "kept" };
            await sends(
                { ...kept, level: 5 },
                publish({ ...kept, level: 5, retain: true, qos: 1 }),
            );
            for (const [level] of LEVELS) {
                for (const qos of [0, 1, 2]) {
                    const empty = { ...kept, user: "bob", level, payload: "" };
                    await sends(empty, publish({ ...empty, retain: true, qos }));
                    const alice = await front.watch("alice", "alice/kept", { retained: true });
                    assert.deepEqual(alice.payloads, ["kept"]);
                }
            }
        });

        it("the broker's control topics, as a user that may write everything too: no effect", async () => {
            const grant = {
                ...{ command: "addRoleACL", rolename: "bob", acltype: "subscribePattern" },
                ...{ topic: "alice/#", priority: 9, allow: true },
            };
            const commands = [grant, { command: "disableClient", username: "alice" }];
            const payload = JSON.stringify({ commands });
            for (const user of ["bob", "admin"]) {
                for (const level of [4, 5]) {
                    for (const topic of ["$CONTROL/dynamic-security/v1", "$CONTROL/broker/v1"]) {
                        const attempt = { front, user, level, topic, payload };
                        await sends(attempt, publish({ ...attempt, qos: 1 }));
                    }
                }
            }
            const bob = await front.logIn("bob");
            bob.send(subscribe({ level: 5, filters: ["alice/#"] }));
            await bob.settled();
            assert.deepEqual(bob.granted, [0x87]);
            await front.logIn("alice");
        });
    });
}
