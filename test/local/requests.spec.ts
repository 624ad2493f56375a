// core
/** Parts that every request passes: token, fault rules, rate limits; and the settings. */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { authenticate, basicPassword } from "../../dev/fly/auth.ts";
import { Faults } from "../../dev/fly/faults.ts";
import { RateLimits } from "../../dev/fly/limits.ts";
import type { LocalState } from "../../dev/fly/model/records.ts";
import { changeSettings, DEFAULT_SETTINGS } from "../../dev/fly/settings.ts";

describe("tokens", () => {
    const state = {
        token: "fo1_right",
        deployTokens: [
            { token: "fm2_deploy", app: "one", expiresAt: Infinity },
            { token: "fm2_late", app: "one", expiresAt: Date.now() - 1 },
        ],
    } as unknown as LocalState;

    it("are read from Bearer and FlyV1 headers", () => {
        assert.deepEqual(authenticate(state, "Bearer fo1_right"), {});
        assert.deepEqual(authenticate(state, "FlyV1 fm2_x,fo1_right"), {});
        assert.deepEqual(authenticate(state, "FlyV1 fm2_deploy"), { app: "one" });
        for (const header of [undefined, "", "Bearer", "Bearer fm2_late", "Basic fo1_right"]) {
            assert.equal(authenticate(state, header), undefined, header);
        }
    });

    it("are the password of Basic authorization, whatever the user", () => {
        const header = `Basic ${Buffer.from("x:to:ken").toString("base64")}`;
        assert.equal(basicPassword(header), "to:ken");
        assert.equal(basicPassword("Basic !!"), undefined);
    });
});

describe("fault rules", () => {
    it("hit the nth matching request, as often as requested", () => {
        const faults = new Faults();
        faults.add([
            {
                method: "POST",
                path: "/v1/apps/*/machines",
                nth: 2,
                times: 2,
                action: { type: "drop-after" },
            },
        ]);
        const hits = ["POST", "GET", "POST", "POST", "POST"].map(
            (method) => faults.match(method, "/v1/apps/one/machines") !== undefined,
        );
        assert.deepEqual(hits, [false, false, true, true, false]);
        assert.equal(faults.match("POST", "/v1/apps/one/machines/extra"), undefined);
    });

    it("match one segment with * and any number with **", () => {
        const faults = new Faults();
        faults.add([{ path: "/v1/**", times: 0, action: { type: "delay", ms: 1 } }]);
        assert.ok(faults.match("GET", "/v1/apps/a/machines/b"));
        assert.ok(faults.match("DELETE", "/v1/x"));
        assert.equal(faults.match("GET", "/_local/faults"), undefined);
        faults.clear();
        assert.equal(faults.match("GET", "/v1/x"), undefined);
        assert.throws(() => faults.add([{ path: "/x" } as never]), /action.type/);
    });
});

describe("rate limits", () => {
    it("allow a burst of three and one a second, reads of a machine more", () => {
        const limits = new RateLimits();
        const take = (action: string, at: number) => limits.take(action, "m", at);
        const writes = [0, 0, 0, 0, 1000, 1000].map((at) => take("POST stop", at));
        assert.deepEqual(writes, [true, true, true, false, true, false]);
        const reads = Array.from({ length: 11 }, () => take("GET machine", 0));
        assert.equal(reads.filter(Boolean).length, 10);
        assert.ok(limits.take("POST stop", "other", 0));
    });
});

describe("settings", () => {
    it("refuse unknown names and values", () => {
        const settings = { ...DEFAULT_SETTINGS };
        changeSettings(settings, { rateLimit: true, secretsOnRestart: "pinned" });
        assert.equal(settings.rateLimit, true);
        assert.throws(() => changeSettings(settings, { nothing: 1 }), /nothing/);
        assert.throws(() => changeSettings(settings, { appDeleteMs: -1 }), /appDeleteMs/);
        assert.throws(() => changeSettings(settings, { secretsOnRestart: "x" }), /secretsOnRe/);
    });
});
