import assert from "node:assert/strict";
import { Volume } from "../../providers/entry.ts";
import { UNKNOWN } from "../../providers/provider.ts";
import { failuresOf } from "./support/failures.ts";

const volumeProps = {
    endpoint: "http://127.0.0.1:4280",
    app: "a",
    name: "mosquitto_data",
    region: "lhr",
    sizeGb: 3,
};

describe("check of a volume", () => {
    it("refuses to shrink, with both numbers", async () => {
        assert.deepEqual(await failuresOf(Volume, volumeProps, { ...volumeProps, sizeGb: 10 }), [
            "sizeGb: 3 GB: the volume has 10 GB, and Fly cannot shrink one; keep 10 or more",
        ]);
    });
    it("accepts growth, the same size, and less if another volume is created anyway", async () => {
        assert.deepEqual(await failuresOf(Volume, volumeProps, { ...volumeProps, sizeGb: 1 }), []);
        assert.deepEqual(await failuresOf(Volume, volumeProps, volumeProps), []);
        const elsewhere = { ...volumeProps, sizeGb: 10, region: "ams" };
        const discard = { ...volumeProps, onReplace: "discard" };
        assert.deepEqual(await failuresOf(Volume, discard, elsewhere), []);
        const restore = { ...volumeProps, onReplace: "restore" };
        assert.match(
            (await failuresOf(Volume, restore, elsewhere)).join(),
            /^sizeGb: 3 GB: the volume has 10 GB/,
        );
    });
    for (const [change, fate, expected] of [
        [{ region: "ams" }, undefined, /^onReplace: region "lhr" → "ams" replaces the volume: set/],
        [
            { region: "ams" },
            "refuse",
            /set `appkata-mqtt:volumeReplacement` to "restore" .* or "discard" \(starts without it\)$/,
        ],
        [{ region: "ams" }, "restore", /^$/],
        [{ region: "ams" }, "discard", /^$/],
        [
            { name: "other" },
            "restore",
            /^onReplace: name "mosquitto_data" → "other" .* without its data: /,
        ],
        [{ app: "b" }, "restore", /^onReplace: app "a" → "b" replaces the volume/],
        [{ app: "b" }, "discard", /^$/],
        [{ app: UNKNOWN, region: UNKNOWN }, undefined, /^$/],
    ] as const) {
        it(`${JSON.stringify(change).replaceAll(UNKNOWN, "unknown")}, data ${fate}: ${String(expected)}`, async () => {
            const olds = { ...volumeProps, app: "a" };
            const news = { ...olds, ...change, ...(fate && { onReplace: fate }) };
            assert.match((await failuresOf(Volume, news, olds)).join("\n"), expected);
        });
    }
    it("accepts what the preview does not know", async () => {
        const unknown = { ...volumeProps, sizeGb: UNKNOWN, name: UNKNOWN, region: UNKNOWN };
        assert.deepEqual(await failuresOf(Volume, unknown, volumeProps), []);
    });
    for (const [change, expected] of [
        [{ sizeGb: 0 }, /^sizeGb: 0 GB: a volume has 1 to 500 whole GB/],
        [{ sizeGb: 1.5 }, /1\.5 GB/],
        [{ sizeGb: 501 }, /501 GB/],
        [{ name: "my-data" }, /^name: "my-data": a volume's name is 1 to 30/],
        [{ name: "x".repeat(31) }, /1 to 30 lowercase/],
        [{ snapshotRetentionDays: 61 }, /^snapshotRetentionDays: 61 days: .* 1 to 60/],
        [{ region: "" }, /^region:/],
    ] as const) {
        it(`refuses ${JSON.stringify(change)}`, async () => {
            const failures = await failuresOf(Volume, { ...volumeProps, ...change });
            assert.equal(failures.length, 1);
            assert.match(failures[0] ?? "", expected);
        });
    }
});
