import assert from "node:assert/strict";
import { parseSettings } from "../../config/settings.ts";
import { problems, users } from "./support/problems.ts";

describe("settings of the broker's limits", () => {
    it("depend on the machine's memory, and each can be set", () => {
        const { limits } = parseSettings({ users, memoryMb: "1024" }, "test").broker;
        assert.deepEqual(limits, {
            memoryMb: 512,
            connections: 4096,
            packetBytes: 8 * 1024 * 1024,
            queuedMessages: 10_000,
            queuedBytes: 32 * 1024 * 1024,
            inflightMessages: 20,
            keepaliveSeconds: 0,
            sessionExpiryDays: 0,
        });
        const raw = {
            memoryLimitMb: "100",
            maxConnections: "500",
            maxPacketBytes: "65536",
            maxQueuedMessages: "100",
            maxQueuedBytes: "1000000",
            maxInflightMessages: "5",
            maxKeepaliveSeconds: "600",
            sessionExpiryDays: "14",
        };
        const { limits: set } = parseSettings({ users, ...raw }, "test").broker;
        assert.deepEqual(Object.values(set), Object.values(raw).map(Number));
    });

    it("need a volume that the broker's messages cannot fill", () => {
        const large = { memoryMb: "2048", volumeSizeGb: "1" };
        assert.deepEqual(problems(large), [
            "volumeSizeGb: 1024 MB of messages (memoryLimitMb) may take 1707 MB of the volume, and a full volume stops the broker; it is 1",
        ]);
        assert.deepEqual(problems({ ...large, volumeSizeGb: "2" }), []);
        assert.deepEqual(problems({ ...large, memoryLimitMb: "512" }), []);
    });

    it("are refused if the machine's memory has no room for them", () => {
        assert.deepEqual(problems({ memoryLimitMb: "200" }), [
            "memoryLimitMb: 200 MB for the broker and 64 MB for 1024 connections exceed the available 224 of 256 MB; it is 200",
        ]);
        assert.deepEqual(problems({ maxConnections: "2000" }), [
            "maxConnections: 128 MB for the broker and 125 MB for 2000 connections exceed the available 224 of 256 MB; it is 2000",
        ]);
        assert.deepEqual(problems({ maxConnections: "2000", memoryMb: "512" }), []);
        assert.deepEqual(problems({ maxPacketBytes: "100000000", maxQueuedBytes: "1000000" }), [
            "maxPacketBytes: a packet may be a quarter of the broker's 128 MB at most; it is 100000000",
            "maxQueuedBytes: the largest packet (100000000 bytes) could never be queued; it is 1000000",
        ]);
        assert.deepEqual(problems({ maxQueuedBytes: "200000000" }), [
            "maxQueuedBytes: one client's queue cannot be larger than the broker's 128 MB; it is 200000000",
        ]);
    });
});
