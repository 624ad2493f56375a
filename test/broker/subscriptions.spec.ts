// core
import assert from "node:assert/strict";
import type { Access } from "../../broker/acl.ts";
import { SERIES } from "../../broker/conf.ts";
import { covers, overlaps } from "../../config/filters.ts";
import { EVERYONE, granted, Subscribers, USERS } from "../support/subscribers.ts";

/** Filters that each user subscribes to. */
const FILTERS = [
    ...[
        "#",
        "+",
        "+/#",
        "+/+",
        "alice/jobs",
        "alice/#",
        "alice/+",
        "alice",
        "bob/#",
        "+/jobs",
        "inbox/a",
    ],
    ...[
        "a",
        "a/#",
        "a/+",
        "a/b",
        "a/b/c",
        "a/c",
        "a/c/#",
        "a/+/c",
        "x/state",
        "+/state",
        "news",
        "news/#",
    ],
    ...[
        "secret/a",
        "secret",
        "client/+/a",
        "client/#",
        "to/alice/#",
        "to/bob/#",
        'own/of/"two"\\levels/#',
    ],
    ...[
        "$SYS/#",
        "$SYS/broker/uptime",
        "$SYS/broker/+",
        "$SYS/broker/load/x",
        "$SYS/state",
        "$CONTROL/#",
        "$appkata/monitor",
    ],
    ...["$CONTROL/dynamic-security/v1/response", "$other/a", "$", "$share", "/", "/a", "a//b"],
];

for (const series of SERIES) {
    describe(`subscriptions on Mosquitto ${series}`, function () {
        this.timeout(60_000);
        const all = new Subscribers(series);

        for (const [protocolVersion, refusal] of [
            [4, 0x80],
            [5, 0x87],
        ] as const) {
            it(`take nothing from others' shared subscriptions, and are refused in MQTT ${protocolVersion}`, async () => {
                const worker = await all.connect("alice", { protocolVersion });
                await worker.subscribeAsync("$share/w/alice/jobs", { qos: 1 });
                const bob = await all.connect("bob", { protocolVersion });
                assert.deepEqual(
                    await granted(bob, [
                        "$share/w/alice/jobs",
                        "bob/#",
                        "$share/w/bob/#",
                        "alice/#",
                    ]),
                    [refusal, 1, 1, refusal],
                );
                assert.equal(await all.jobsOf(worker), 20);
            });
        }

        it("take nothing while their client is disconnected either", async () => {
            const worker = await all.connect("alice");
            await worker.subscribeAsync("$share/w/alice/jobs", { qos: 1 });
            const kept = { clientId: "bob's", clean: false };
            const bob = await all.connect("bob", kept);
            await granted(bob, ["$share/w/alice/jobs"]);
            await bob.endAsync();
            assert.equal(await all.jobsOf(worker), 20);
            await (await all.connect("bob", { ...kept, clean: true })).endAsync();
        });

        it("are granted if one grant covers them, shared ones if no part is denied", async () => {
            for (const user of USERS) {
                const client = await all.connect(user.name, { clientId: "none" });
                const asked = [...FILTERS, ...FILTERS.map((filter) => `$share/w/${filter}`)].filter(
                    (filter) => !isNobodys(filter, user),
                );
                const wanted = asked.filter((filter) => isGranted(user, filter));
                const codes = await granted(client, asked);
                assert.deepEqual(
                    asked.filter((_, at) => codes[at]! < 0x80),
                    wanted,
                    user.name,
                );
            }
        });

        it("that are refused slow down nobody, even thousands of deep ones", async () => {
            const worker = await all.connect("alice");
            await worker.subscribeAsync("alice/#", { qos: 1 });
            const bob = await all.connect("bob");
            const filters = Array.from({ length: 2300 }, (_, i) => `deep/${i}${"/x".repeat(190)}`);
            for (let i = 0; i < filters.length; i += 100) {
                const codes = await granted(bob, filters.slice(i, i + 100));
                assert.ok(codes.every((code) => code === 0x80));
            }
            assert.equal(await all.jobsOf(worker), 20);
            assert.ok(bob.connected);
        });
    });
}

/** Mosquitto's pattern `#` also covers trees beside `$SYS` that no grant names. */
function isNobodys(asked: string, { everything, read }: Access): boolean {
    return everything !== false || read.some((filter) => filter.startsWith("+"))
        ? /^(\$share\/w\/)?\$(other\/.*|share)?$/.test(asked)
        : false;
}

/** As config/filters.ts has it. */
function isGranted(user: Access, asked: string): boolean {
    const named = (filter: string) => filter.replaceAll("%u", user.name);
    const shared = asked.startsWith("$share/w/");
    const filter = shared ? asked.slice("$share/w/".length) : asked;
    const denied = user.deny.map(named);
    const all = user.everything === true || user.everything === "read" ? ["#"] : [];
    const byId = (grant: string) => grant.includes("%c");
    return (
        !denied.some((denial) => covers(denial, filter)) &&
        [...all, ...user.read, ...user.readWrite, ...EVERYONE.read, ...EVERYONE.readWrite].some(
            (grant) =>
                covers(named(grant).replaceAll("%c", "+"), filter) &&
                !(
                    shared &&
                    (byId(grant) || denied.some((denial) => overlaps(denial, named(grant))))
                ),
        )
    );
}
