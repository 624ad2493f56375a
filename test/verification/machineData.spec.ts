import assert from "node:assert/strict";
import { readListing } from "../../verification/machineData.ts";

describe("warnings of the broker's data", () => {
    const warningsOf = (listing: string) => readListing(listing).warnings;

    it("name each file that was put aside once, with its time and place", () => {
        const listing = [
            "mosquitto.db.unreadable-20251231T235959Z",
            "mosquitto.sqlite3",
            "mosquitto.sqlite3-shm.unreadable-20261125T004301Z",
            "mosquitto.sqlite3-wal.unreadable-20261125T004301Z",
            "mosquitto.sqlite3.unreadable-20261125T004301Z",
            "lost+found",
            "",
        ].join("\n");
        const [first, second, ...others] = warningsOf(listing);
        assert.match(first!, /^data - mosquitto\.db was unreadable .* at 2025-12-31T23:59:59Z,/);
        assert.match(
            second!,
            /^data - mosquitto\.sqlite3 was unreadable .* at 2026-11-25T00:43:01Z,/,
        );
        assert.match(
            second!,
            /is \/mosquitto\/data\/mosquitto\.sqlite3\.unreadable-20261125T004301Z /,
        );
        assert.deepEqual(others, []);
    });

    it("name the memory limit that the data exceeds", () => {
        const listing = "mosquitto.db\n# memory_limit 8388608\nmemory_limit 17000000\n";
        const [line, ...others] = warningsOf(listing);
        assert.match(line!, /^data - needs more .* memoryLimitMb, which is 8; the limit is 17 MB/);
        assert.deepEqual(others, []);
    });

    it("name a volume that is nearly full", () => {
        const df = (total: number, free: number) =>
            "Filesystem 1024-blocks Used Available Capacity Mounted on\n" +
            `/dev/vdb ${total} 1 ${free} 86% /mosquitto/data\n`;
        const [line, ...others] = warningsOf(df(1_000_000, 120_000));
        assert.match(line!, /^data - the volume has 117 of 976 MB left; at 98 MB .* volumeSizeGb/);
        assert.deepEqual(others, []);
        const { full, warnings } = readListing(df(1_000_000, 90_000));
        assert.match(full!, /87 of 976 MB left, and the broker ends until there is room/);
        assert.deepEqual(warnings, []);
        assert.deepEqual(warningsOf(df(1_000_000, 500_000)), []);
        assert.deepEqual(warningsOf(df(100_000_000, 300_000)), []);
    });

    it("do not depend on the files in force, which older images do not report", () => {
        const digest = "a".repeat(64);
        const { inForce, warnings } = readListing(`mosquitto.db\n1700000000001 ${digest} 17\n`);
        assert.deepEqual(inForce, { number: 1700000000001, digest, restart: 17 });
        assert.deepEqual(warnings, []);
        assert.equal(readListing("mosquitto.db\n").inForce, undefined);
    });

    it("are absent if all is well", () => {
        const listing = "mosquitto.sqlite3\nmosquitto.sqlite3-wal\nmemory_limit 8388608\n";
        assert.deepEqual(warningsOf(listing), []);
    });
});
