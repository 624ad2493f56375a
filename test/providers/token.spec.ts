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
        it(`is ${expected ?? "absent"} where ${JSON.stringify(given) ?? "nothing"} is given`, () => {
            assert.equal(normaliseToken(given), expected);
        });
    }

    for (const [config, environment, expected] of [
        ["FlyV1 fm2_config", "fo1_environment", "fm2_config"],
        [undefined, "Bearer fo1_environment", "fo1_environment"],
        ["  ", "fo1_environment", "fo1_environment"],
        ["", "", undefined],
    ] as const) {
        it(`is ${expected ?? "absent"} of config ${JSON.stringify(config) ?? "unset"}, environment "${environment}"`, () => {
            assert.equal(chooseToken(config, environment), expected);
        });
    }

    it("goes by Fly's own scheme where it is a macaroon, else as a bearer", () => {
        assert.equal(authorization("fm2_aaaa,fm2_bbbb"), "FlyV1 fm2_aaaa,fm2_bbbb");
        assert.equal(authorization("fo1_aaaa"), "Bearer fo1_aaaa");
    });
});
