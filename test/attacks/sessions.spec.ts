import assert from "node:assert/strict";
import { Front, KINDS } from "./support/front.ts";
import {
    LEVELS,
    property,
    publish,
    subscribe,
    unsubscribe,
    type Connect,
} from "./support/packets.ts";
import type { RawClient } from "./support/rawClient.ts";

/** A session that outlasts its connection. */
function kept(level: number, clientId: string): Connect {
    return { level, clientId, clean: false, properties: [property.sessionExpiry(60)] };
}

/** Leaves a session of alice's in which messages of each QoS wait. */
async function leaveSession(front: Front, level: number): Promise<void> {
    const alice = await front.logIn("alice", kept(level, "alice's"));
    alice.send(subscribe({ level, filters: ["alice/a"], options: 2 }));
    await alice.settled();
    await alice.leave();
    const waits = { level: 5, topic: "alice/a", payload: "waits" };
    await front.send("admin", 5, publish({ ...waits, qos: 1 }));
    await front.send("admin", 5, publish({ ...waits, qos: 2 }));
}

/** Payloads that bob has received once a message sent now has arrived. */
async function cameTo(front: Front, bob: RawClient): Promise<string[]> {
    await front.send("admin", 5, publish({ level: 5, topic: "alice/a", payload: "live" }));
    await front.send("admin", 5, publish({ level: 5, topic: "bob/last", payload: "last" }));
    await bob.until("the last one", () => bob.payloads.includes("last"));
    return bob.payloads.filter((one) => one !== "last");
}

for (const kind of KINDS) {
    describe(`bob meddles with alice's sessions at ${kind.name} by`, function () {
        this.timeout(60_000);
        const front = new Front(kind);

        async function takeOver(level: number): Promise<RawClient> {
            const bob = await front.logIn("bob", kept(level, "alice's"));
            bob.send(subscribe({ level, filters: ["bob/last"] }));
            await bob.settled();
            return bob;
        }

        for (const [level, version] of LEVELS) {
            it(`her client ID in ${version}, while she is away: he gets nothing of hers`, async () => {
                await leaveSession(front, level);
                const bob = await takeOver(level);
                assert.deepEqual(await cameTo(front, bob), []);
                await bob.leave();
                // As he comes again, with all that the session has.
                assert.deepEqual(await cameTo(front, await takeOver(level)), []);
                await front.logIn("alice", { level, clientId: "alice's" });
            });

            it(`her client ID in ${version}, while she is connected: he gets nothing of hers`, async () => {
                const alice = await front.logIn("alice", {
                    ...kept(level, "alice's"),
                    acknowledges: false,
                });
                alice.send(subscribe({ level, filters: ["alice/a"], options: 2 }));
                await alice.settled();
                const message = { level: 5, topic: "alice/a", payload: "on its way", qos: 1 };
                await front.send("admin", 5, publish(message));
                await alice.until("it comes", () => alice.payloads.length > 0);
                assert.deepEqual(await cameTo(front, await takeOver(level)), []);
                await front.logIn("alice", { level, clientId: "alice's" });
            });
        }

        it("her client ID, to send her will: it is hers, not one of his", async () => {
            const admin = await front.watch("admin", "#");
            const will = { topic: "alice/will", payload: "hers" };
            await front.logIn("alice", { clientId: "alice's", will });
            const his = { topic: "alice/will", payload: "his" };
            await front.logIn("bob", { clientId: "alice's", will: his }).catch(() => undefined);
            await admin.until("her will", () => admin.payloads.includes("hers"));
            await front.logIn("alice", { clientId: "alice's" });
            await front.send("admin", 5, publish({ level: 5, topic: "last", payload: "last" }));
            await admin.until("the last one", () => admin.payloads.includes("last"));
            assert.ok(!admin.payloads.includes("his"));
        });

        it("topics that everyone has by client ID, with another's in the filter: nothing comes", async () => {
            const alice = await front.logIn("alice", { clientId: "alice-1" });
            alice.send(
                publish({ level: 5, topic: "by-id/alice-1/a", payload: "kept", retain: true }),
            );
            await alice.settled();
            for (const clientId of ["bob-1", "+", "#", "alice-1/", "%c", "bob/../alice-1", ""]) {
                for (const level of [4, 5]) {
                    const bob = await front.logIn("bob", { level, clientId });
                    const filters = [
                        "by-id/alice-1/#",
                        "by-id/+/a",
                        "by-id/+/#",
                        "$share/g/by-id/alice-1/a",
                    ];
                    bob.send(subscribe({ level, filters: [...filters, "bob/last"], options: 2 }));
                    await bob.settled();
                    assert.ok(bob.granted![3]! >= 0x80);
                    alice.send(publish({ level: 5, topic: "by-id/alice-1/a", payload: "live" }));
                    await alice.settled();
                    bob.send(publish({ level, topic: "by-id/alice-1/a", payload: "bob's" }));
                    await front.send(
                        "admin",
                        5,
                        publish({ level: 5, topic: "bob/last", payload: "last" }),
                    );
                    await bob.until("the last one", () => bob.payloads.includes("last"));
                    assert.deepEqual(bob.payloads, ["last"], clientId);
                    bob.cut();
                }
            }
        });

        it("an UNSUBSCRIBE of hers: she still gets every message", async () => {
            const alice = await front.logIn("alice");
            const filters = ["alice/a", "$share/w/alice/jobs"];
            alice.send(subscribe({ level: 5, filters, options: 1 }));
            await alice.settled();
            for (const [level] of LEVELS) {
                const bob = await front.logIn("bob", { level });
                bob.send(
                    subscribe({ level, filters }),
                    ...filters.map((one) => unsubscribe(level, one)),
                );
                await bob.settled();
                const messages = ["alice/a", "alice/jobs"].map((topic) =>
                    publish({ level: 5, topic, payload: `${level}` }),
                );
                await front.send("admin", 5, ...messages);
                await alice.until(
                    "both",
                    () => alice.payloads.filter((one) => one === `${level}`).length === 2,
                );
            }
        });

        it("acknowledgements of what she was sent: she gets it again", async () => {
            const kept = {
                clean: false,
                clientId: "alice's",
                properties: [property.sessionExpiry(60)],
            };
            const alice = await front.logIn("alice", { ...kept, acknowledges: false });
            alice.send(subscribe({ level: 5, filters: ["alice/a"], options: 1 }));
            await alice.settled();
            await front.send(
                "admin",
                5,
                publish({ level: 5, topic: "alice/a", payload: "once", qos: 1 }),
            );
            await alice.until("it is sent", () => alice.payloads.includes("once"));
            const acknowledgements = [0x40, 0x50, 0x62, 0x70].flatMap((first) =>
                [1, 2, 3].map((id) => Buffer.from([first, 2, 0, id])),
            );
            for (const level of [4, 5]) await front.send("bob", level, ...acknowledgements);
            alice.cut();
            const again = await front.logIn("alice", kept);
            await again.until("it comes again", () => again.payloads.includes("once"));
        });
    });

    describe(`bob meddles with alice's session at ${kind.name} with clientIds: user by`, function () {
        this.timeout(60_000);
        const front = new Front(kind, { clientIds: "user" });

        for (const [level, version] of LEVELS) {
            it(`her client ID in ${version}: he neither cuts her off nor gets anything of hers`, async () => {
                await leaveSession(front, level);
                for (const clientId of ["alice's", "alice"]) {
                    const bob = await front.logIn("bob", kept(level, clientId));
                    bob.send(subscribe({ level, filters: ["bob/last"] }));
                    await bob.settled();
                    assert.deepEqual(await cameTo(front, bob), []);
                }
                const alice = await front.logIn("alice", kept(level, "any"));
                await alice.until(
                    "all that waits",
                    () => alice.payloads.filter((one) => one === "waits").length === 2,
                );
                await front.logIn("bob", { level, clientId: "alice" });
                assert.ok(await alice.settled());
                await front.logIn("alice", { level, clientId: "alice" });
            });
        }
    });
}
