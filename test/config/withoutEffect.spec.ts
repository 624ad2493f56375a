import assert from "node:assert/strict";
import { parseSettings } from "../../config/settings.ts";
import { users } from "./support/problems.ts";

const OF_2_0 = "eclipse-mosquitto:2.0.22";

describe("settings without effect", () => {
    const edge = { tls: "edge" };
    const webSockets = { webSockets: "broker", baseImage: OF_2_0 };
    const from = { volumeSnapshot: "vs_1" };
    const told: [Record<string, string>, Record<string, string>, RegExp][] = [
        [
            { ...from, volumeReplacement: "restore" },
            { ...from, volumeReplacement: "discard" },
            /^volumeSnapshot: applies only to the first volume, .*; to restore this one instead, set discard$/,
        ],
        [
            { ...edge, certificateValidDays: "90" },
            { ...edge, ...webSockets, certificateValidDays: "90" },
            /^certificateValidDays: .* no client sees while Fly's edge .*; it is 90$/,
        ],
        [
            { ...edge, certificateRenewDays: "9" },
            { certificateRenewDays: "9" },
            /^certificateRenewDays: .*; it is 9$/,
        ],
        [
            { memoryLimitMb: "64", baseImage: `${OF_2_0}@sha256:${"0".repeat(64)}` },
            { memoryLimitMb: "64", baseImage: "example.com/mosquitto:2.0.22" },
            /^memoryLimitMb: the official image of Mosquitto 2\.0 .* \(baseImage is eclipse\S+\); .*; it is 64$/,
        ],
    ];
    for (const [raw, other, expected] of told) {
        it(`cause a warning: ${JSON.stringify(raw)}`, () => {
            const { warnings } = parseSettings({ users, ...raw }, "test");
            assert.equal(warnings.length, 1, warnings.join("\n"));
            assert.match(warnings[0]!, expected);
            assert.deepEqual(parseSettings({ users, ...other }, "test").warnings, []);
        });
    }

    it("cause no warning if they are defaults", () => {
        for (const raw of [edge, { ...edge, ...webSockets }, { baseImage: OF_2_0 }]) {
            assert.deepEqual(parseSettings({ users, ...raw }, "test").warnings, []);
        }
    });
});
