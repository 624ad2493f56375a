import assert from "node:assert/strict";
import { warningsOf } from "../../verification/putAside.ts";

describe("warnings of data that was put aside", () => {
    it("name each file once, when it was put aside, and where it is", () => {
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
        assert.match(first!, /^data - mosquitto\.db could not .* at 2025-12-31T23:59:59Z,/);
        assert.match(second!, /^data - mosquitto\.sqlite3 could not .* at 2026-11-25T00:43:01Z,/);
        assert.match(
            second!,
            /is \/mosquitto\/data\/mosquitto\.sqlite3\.unreadable-20261125T004301Z /,
        );
        assert.deepEqual(others, []);
    });

    it("are none where nothing was", () => {
        assert.deepEqual(warningsOf("mosquitto.sqlite3\nmosquitto.sqlite3-wal\n"), []);
    });
});
