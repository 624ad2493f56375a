import assert from "node:assert/strict";
import { Front, KINDS } from "./support/front.ts";
import { LEVELS, property, publish } from "./support/packets.ts";

/** Packets that no user may send, whatever is granted. */
const MALFORMED: [name: string, level: number, packet: Buffer][] = [
    ...["alice/+", "alice/#", "#", "+", "+/a", "bob/+", "bob/#"].flatMap((topic) =>
        [4, 5].map((level): (typeof MALFORMED)[number] => [
            `a message to the wildcard "${topic}" in ${LEVELS.get(level)}`,
            level,
            publish({ level, topic, payload: "taken" }),
        ]),
    ),
    ...(
        [
            ["a NUL", "bob/\0/a"],
            ["a NUL after alice's topic", "alice/a\0"],
            ["a slash in overlong UTF-8", Buffer.from("626f62c0af61", "hex")],
            ["a NUL in overlong UTF-8", Buffer.from("626f622fc080", "hex")],
            ["half a surrogate pair", Buffer.from("626f622feda080", "hex")],
            ["Latin-1", Buffer.from("bob/zo\u00eb", "latin1")],
            ["a cut UTF-8 sequence", Buffer.from("626f622fe282", "hex")],
            ["nothing", ""],
        ] as [string, string | Buffer][]
    ).map(([what, topic]): (typeof MALFORMED)[number] => [
        `a message to a topic with ${what}`,
        4,
        publish({ level: 4, topic, payload: "taken" }),
    ]),
    ["a message of QoS 3", 4, publish({ level: 4, topic: "bob/a", payload: "taken", qos: 3 })],
    ...[0, 11, 65_535].map((alias): (typeof MALFORMED)[number] => [
        `the topic alias ${alias}`,
        5,
        publish({
            level: 5,
            topic: "bob/a",
            payload: "taken",
            properties: [property.topicAlias(alias)],
        }),
    ]),
    [
        "a topic alias that nothing has set",
        5,
        publish({ level: 5, topic: "", payload: "taken", properties: [property.topicAlias(3)] }),
    ],
    ...["alice/+", "#"].map((topic): (typeof MALFORMED)[number] => [
        `a response topic with the wildcard "${topic}"`,
        5,
        publish({
            level: 5,
            topic: "bob/a",
            payload: "taken",
            properties: [property.responseTopic(topic)],
        }),
    ]),
    [
        "a repeated message of QoS 0",
        4,
        publish({ level: 4, topic: "bob/a", payload: "taken", dup: true }),
    ],
];

/** Topics that may be taken for alice's or everybody's. The broker refuses them, or takes them for bob's as they are. */
const LOOKALIKES = [
    ...["bob/../alice/a", "bob/%2e%2e/alice/a", "bob//alice/a", "./alice/a", "/alice/a"],
    ...["Alice/a", "alice", "alice//", "+alice/a", "bob\u2215a", "alice\u2044a", "\ufeffalice/a"],
    ...["$share/g/alice/a", "bob/$share/g/alice/a", "$SYS/broker/uptime", "$queue/alice/a"],
    ...["%u/a", "%c/a", "by-id/%c/a", "by-id/+/a", "to/alice/a", "to/bob/a", "news", "inbox"],
    ...[`bob/${"x".repeat(65_000)}`, `bob${"/x".repeat(199)}`, `bob${"/x".repeat(10_000)}`],
];

for (const kind of KINDS) {
    describe(`bob sends to ${kind.name}`, function () {
        this.timeout(60_000);
        const front = new Front(kind);

        /** Topics of the messages that come to admin from an attack. */
        async function cameOf(attack: () => Promise<void>): Promise<string[]> {
            const admin = await front.watch("admin", "#");
            await attack();
            await front.send("admin", 5, publish({ level: 5, topic: "last", payload: "" }));
            await admin.until("the last one", () => admin.topics.includes("last"));
            return admin.topics.filter((topic) => topic !== "last");
        }

        for (const [name, level, packet] of MALFORMED) {
            it(`${name}: he is cut off, and nothing comes`, async () => {
                const came = await cameOf(async () => {
                    const bob = await front.logIn("bob", { level });
                    bob.send(packet);
                    await bob.until("the end", () => bob.ended);
                });
                assert.deepEqual(came, []);
            });
        }

        for (const topic of LOOKALIKES) {
            const shown = topic.length > 50 ? `${topic.slice(0, 10)}… of ${topic.length}` : topic;
            it(`a message to ${shown}: nothing comes but to topics of his own`, async () => {
                const came = await cameOf(async () => {
                    for (const level of [4, 5]) {
                        const message = publish({ level, topic, payload: "bob's", retain: true });
                        await front.send("bob", level, message);
                    }
                });
                assert.ok(
                    came.every((one) => one === topic && one.startsWith("bob/")),
                    came.join(),
                );
            });
        }

        // 2.1 cuts him off.
        it("a message that names a subscription: it names none to those who get it", async () => {
            const admin = await front.watch("admin", "#");
            const properties = [property.subscriptionIdentifier(7)];
            const message = { level: 5, topic: "bob/a", payload: "bob's", properties };
            const bob = await front.logIn("bob");
            bob.send(publish(message));
            await bob.settled();
            await front.send("admin", 5, publish({ level: 5, topic: "last", payload: "" }));
            await admin.until("the last one", () => admin.topics.includes("last"));
            for (const one of admin.packets) {
                if (one.cmd !== "publish") continue;
                assert.equal(one.properties?.subscriptionIdentifier, undefined);
            }
        });

        it("a response topic: nothing comes to it", async () => {
            const properties = [property.responseTopic("alice/a")];
            const request = { level: 5, topic: "bob/a", payload: "bob's", properties };
            const came = await cameOf(() => front.send("bob", 5, publish(request)));
            assert.deepEqual(came, ["bob/a"]);
        });
    });
}
