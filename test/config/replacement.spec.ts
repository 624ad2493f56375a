import assert from "node:assert/strict";
import { deployedFrom } from "../../config/deployed.ts";
import { replacementProblems } from "../../config/replacement.ts";
import { parseSettings } from "../../config/settings.ts";

const USERS = JSON.stringify([{ name: "tester", everything: true }]);
const BEFORE = {
    ...deployedFrom({}, new Date()),
    appName: "mine",
    volume: { app: "mine", name: "mosquitto_data", region: "lhr", sizeGb: 1 },
};

function problems(raw: Record<string, string>, deployed = BEFORE): string {
    return replacementProblems(deployed, parseSettings({ users: USERS, ...raw }, "dev")).join("\n");
}

/**
 * Settings that would replace the app or the volume, also when the engine shows the providers no former
 * inputs.
 */
describe("a replacement by the settings", () => {
    const renamed = { appName: "other" };

    it("does not happen without a change, on a first up, or if the generated name is set", () => {
        assert.equal(problems({}), "");
        assert.equal(problems({ appName: "mine" }), "");
        assert.equal(problems({ ...renamed, region: "ams" }, deployedNothing()), "");
    });

    it("of the app needs the settings that give up data and clients", () => {
        assert.match(problems(renamed), /appName: "mine" → "other" replaces the app/);
        assert.match(problems(renamed), /set appkata-mqtt:volumeReplacement discard`/);
        assert.match(problems(renamed), /set appkata-mqtt:clientsShutOut allow`$/);
        const discarded = { ...renamed, volumeReplacement: "discard" };
        assert.match(
            problems(discarded),
            /if that is intended: `pulumi config set appkata-mqtt:clientsShutOut allow`$/,
        );
        assert.equal(problems({ ...discarded, clientsShutOut: "allow" }), "");
    });

    it("of the app is refused while the volume is protected", () => {
        const all = { ...renamed, volumeReplacement: "discard", clientsShutOut: "allow" };
        assert.match(
            problems({ ...all, protectVolume: "true" }),
            /if that is intended: `pulumi config set appkata-mqtt:protectVolume false`$/,
        );
    });

    it("of the volume names the setting that says what happens to the data", () => {
        assert.match(
            problems({ region: "ams" }),
            /^region "lhr" → "ams" replaces the volume: set `appkata-mqtt:volumeReplacement`/,
        );
        assert.equal(problems({ region: "ams", volumeReplacement: "restore" }), "");
        assert.match(
            problems({ volumeName: "x", volumeReplacement: "restore" }),
            /volumeReplacement: discard/,
        );
    });

    it("of the volume is refused while it is protected", () => {
        const moved = { region: "ams", volumeReplacement: "restore", protectVolume: "true" };
        assert.match(
            problems(moved),
            /^region: "lhr" → "ams" .*set appkata-mqtt:protectVolume false`$/,
        );
    });

    function deployedNothing() {
        return { ...BEFORE, appName: undefined as never, volume: undefined as never };
    }
});
