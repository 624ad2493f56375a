// core
import assert from "node:assert/strict";
import { Front, KINDS } from "./support/front.ts";
import { LEVELS, property, publish, subscribe } from "./support/packets.ts";

/** Filters that cover alice's topics, and those of the broker itself. */
const FILTERS = [
    ...["alice/a", "alice/#", "alice/+", "+/a", "+/+", "+/#", "#", "+", "alice", "+/alice/#"],
    ...["$share/g/alice/a", "$share/g/alice/#", "$share/g/#", "$share/g/+/a", "$share/bob/bob/#/a"],
    ...["$share/$share/alice/a", "$share/g/$share/g/alice/a", "$share/alice/#", "$queue/alice/a"],
    ...["$SYS/#", "$SYS/broker/uptime", "$SYS/+/+", "$share/g/$SYS/#", "$SYS/broker/log/#"],
    ...["$CONTROL/#", "$CONTROL/dynamic-security/v1/response", "$share/g/$CONTROL/#", "$appkata/#"],
    ...["Alice/a", "ALICE/#", "/alice/a", "alice//", "\ufeffalice/a"],
    ...["%u/a", "%c/a", "to/alice/a", "to/+/a", "to/#", "inbox/+", "appkata-mqtt/#"],
    ...[`alice/${"+/".repeat(180)}#`, `${"x/".repeat(190)}#`],
];

/** Filters that are no filters. */
const MALFORMED: [name: string, filter: string | Buffer][] = [
    ...["a#", "#/a", "alice/#/a", "alice/a+", "+a/a", "$share/g", "$share//alice/a"].map(
        (filter): [string, string] => [`"${filter}"`, filter],
    ),
    ...[
        "$share/+/alice/a",
        "$share/#/alice/a",
        "$share/g+/alice/a",
        "$share/g/",
        "$share/g/a#",
    ].map((filter): [string, string] => [`"${filter}"`, filter]),
    ["an empty one", ""],
    ["one with a NUL", "bob/\0"],
    ["one with a NUL after alice's topic", "alice/a\0"],
    ["one with a slash in overlong UTF-8", Buffer.from("616c696365c0af61", "hex")],
    ["one with half a surrogate pair", Buffer.from("616c6963652feda080", "hex")],
    ["one of 10,000 levels", `bob${"/x".repeat(10_000)}`],
];

interface Options {
    name: string;
    level?: number;
    options: number;
    properties?: Buffer[];
}

const OPTIONS: Options[] = [
    ...[4, 5].flatMap((level) =>
        [0, 1, 2].map((options) => {
            return { name: `QoS ${options} in ${LEVELS.get(level)}`, level, options };
        }),
    ),
    { name: "No Local", options: 0x06 },
    { name: "Retain As Published", options: 0x0a },
    { name: "Retain Handling 1", options: 0x12 },
    { name: "Retain Handling 2", options: 0x22 },
    ...[1, 268_435_455].map((id) => {
        const properties = [property.subscriptionIdentifier(id)];
        return { name: `the subscription identifier ${id}`, options: 2, properties };
    }),
];

/** Subscriptions that are malformed by their options. */
const MALFORMED_OPTIONS: Options[] = [
    { name: "QoS 3", options: 3 },
    { name: "QoS 3 in MQTT 3.1.1", level: 4, options: 3 },
    { name: "Retain Handling 3", options: 0x32 },
    { name: "reserved bits", options: 0xc2 },
    {
        name: "the subscription identifier 0",
        options: 2,
        properties: [property.subscriptionIdentifier(0)],
    },
];

for (const kind of KINDS) {
    describe(`bob reads alice's messages at ${kind.name} by`, function () {
        this.timeout(60_000);
        const front = new Front(kind);
        let sent = 0;

        before(async () => {
            const kept = { level: 5, topic: "alice/kept", payload: "alice's, retained" };
            await front.send("alice", 5, publish({ ...kept, retain: true, qos: 1 }));
        });

        interface Read {
            /** Codes of SUBACK; none where the broker cuts the user off instead. */
            granted: number[] | undefined;
            /** Payloads of alice's messages that arrived. */
            payloads: string[];
        }

        /** Subscribes as a user, before messages of alice's are sent. */
        async function read(
            user: string,
            { level = 5, ...asked }: Partial<Options> & { filters: (string | Buffer)[] },
        ): Promise<Read> {
            const client = await front.logIn(user, { level });
            client.send(subscribe({ level, filters: ["bob/last"], options: 1 }));
            await client.settled();
            const before = client.packets.length;
            client.send(subscribe({ level, ...asked }));
            await client.settled();
            const live = { level: 5, topic: "alice/a", payload: `alice's, ${sent++}` };
            await front.send(
                "admin",
                5,
                publish(live),
                publish({ ...live, qos: 1 }),
                publish({ ...live, topic: "to/alice/a" }),
                publish({ level: 5, topic: "bob/last", payload: "last" }),
            );
            await client.until(
                "the last one",
                () => client.payloads.includes("last") || client.ended,
            );
            const isSuback = client.packets.slice(before).some(({ cmd }) => cmd === "suback");
            const payloads = client.payloads.filter((one) => one !== "last");
            return { granted: isSuback ? client.granted : undefined, payloads };
        }

        it("the filters below do get them for who may read everything", async () => {
            for (const filter of ["alice/a", "alice/#", "+/a", "#", "$share/g/alice/a"]) {
                const { payloads } = await read("admin", { filters: [filter], options: 2 });
                assert.ok(payloads.length >= 2, filter);
            }
        });

        for (const filter of FILTERS) {
            const shown =
                filter.length > 50 ? `${filter.slice(0, 10)}… of ${filter.length}` : filter;
            it(`a subscription to ${shown}: refused`, async () => {
                for (const [level, code] of [
                    [4, 0x80],
                    [5, 0x87],
                ] as const) {
                    const { granted, payloads } = await read("bob", {
                        level,
                        filters: [filter],
                        options: 2,
                    });
                    assert.deepEqual(
                        { granted: granted ?? [code], payloads },
                        { granted: [code], payloads: [] },
                    );
                }
            });
        }

        for (const [level, version] of LEVELS) {
            it(`a subscription in ${version}, among granted ones: refused`, async () => {
                const filters = ["bob/a", "alice/#", "news", "$share/g/alice/a", "#"];
                const { granted, payloads } = await read("bob", { level, filters, options: 1 });
                // MQTT 3.1 has no code for it.
                const no = level === 5 ? 0x87 : (level & 0x7f) === 4 ? 0x80 : 1;
                assert.deepEqual(
                    { granted, payloads },
                    { granted: [1, no, 1, no, no], payloads: [] },
                );
            });
        }

        for (const { name, ...options } of OPTIONS) {
            it(`a subscription with ${name}: refused`, async () => {
                const filters = ["alice/#", "$share/g/alice/#"].slice(
                    0,
                    name === "No Local" ? 1 : 2,
                );
                const control = await read("admin", { ...options, filters });
                assert.ok(control.payloads.length > 0);
                const { granted, payloads } = await read("bob", { ...options, filters });
                assert.ok(granted?.every((code) => code >= 0x80));
                assert.deepEqual(payloads, []);
            });
        }

        for (const { name, level = 5, options, properties } of MALFORMED_OPTIONS) {
            it(`a subscription with ${name}: he is cut off`, async () => {
                const bob = await front.logIn("bob", { level });
                bob.send(
                    subscribe({
                        level,
                        filters: ["alice/#"],
                        options,
                        ...(properties && { properties }),
                    }),
                );
                await bob.until("the end", () => bob.ended);
                assert.equal(bob.granted, undefined);
            });
        }

        for (const [name, filter] of MALFORMED) {
            it(`a malformed filter, ${name}: refused`, async () => {
                for (const level of [4, 5]) {
                    const { granted, payloads } = await read("bob", {
                        level,
                        filters: [filter],
                        options: 2,
                    });
                    assert.ok(granted === undefined || granted[0]! >= 0x80, String(granted));
                    assert.deepEqual(payloads, []);
                }
            });
        }

        for (const [level, version] of LEVELS) {
            it(`shared subscriptions of her workers' in ${version}: her worker gets every job`, async () => {
                const filters = ["$share/w/alice/jobs"];
                const worker = await front.logIn("alice");
                worker.send(subscribe({ level: 5, filters, options: 1 }));
                await worker.settled();
                for (let i = 0; i < 5; i++) {
                    const bob = await front.logIn("bob", { level });
                    bob.send(subscribe({ level, filters, options: 1 }));
                    await bob.settled();
                }
                const jobs = Array.from({ length: 20 }, (_, i) => `${i}`);
                const messages = jobs.map((payload) =>
                    publish({ level: 5, topic: "alice/jobs", payload }),
                );
                await front.send("admin", 5, ...messages);
                await worker.settled();
                assert.deepEqual(worker.payloads, jobs);
            });
        }
    });
}
