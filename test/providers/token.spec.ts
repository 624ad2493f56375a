import assert from "node:assert/strict";
import { authorization, chooseToken, normaliseToken } from "../../providers/fly/api/token.ts";

describe("Fly token", () => {
    for (const [given, expected] of [
        ["fo1_aaaa", "fo1_aaaa"],
        [" fo1_aaaa\n", "fo1_aaaa"],
        ["FlyV1 fm2_aaaa,fm2_bbbb", "fm2_aaaa,fm2_bbbb"],
        ["Bearer fo1_aaaa", "fo1_aaaa"],
        ["bearer  FlyV1 fm2_aaaa", "fm2_aaaa"],
        ["", undefined],
        [" \n", undefined],
        ["FlyV1 ", undefined],
        [undefined, undefined],
    ] as const) {
        it(`is ${expected ?? "absent"} for ${JSON.stringify(given) ?? "nothing"}`, () => {
            assert.equal(normaliseToken(given), expected);
        });
    }

    for (const [config, environment, expected] of [
        ["FlyV1 fm2_config", "fo1_environment", "fm2_config"],
        [undefined, "Bearer fo1_environment", "fo1_environment"],
        ["  ", "fo1_environment", "fo1_environment"],
        ["", "", undefined],
    ] as const) {
        it(`is ${expected ?? "absent"} for config ${JSON.stringify(config) ?? "unset"}, environment "${environment}"`, () => {
            assert.equal(chooseToken(config, environment), expected);
        });
    }

    it("is sent with Fly's own scheme if it is a macaroon, otherwise as a bearer", () => {
        assert.equal(authorization("fm2_aaaa,fm2_bbbb"), "FlyV1 fm2_aaaa,fm2_bbbb");
        assert.equal(authorization("fo1_aaaa"), "Bearer fo1_aaaa");
    });
});
