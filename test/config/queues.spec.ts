import assert from "node:assert/strict";
import { confFiles } from "../../broker/conf.ts";
import { deployedFrom } from "../../config/deployed.ts";
import { queueWarnings } from "../../config/queues.ts";
import { parseSettings } from "../../config/settings.ts";

const users = JSON.stringify([{ name: "tester", everything: true }]);
const TYPE = "pulumi-nodejs:dynamic/fly:Machine";

/** The state of a machine with these settings. */
function deployedWith(raw: Record<string, string>, files?: object[]) {
    const { broker } = parseSettings({ users, ...raw }, "test");
    const secret = { guest_path: "/etc/appkata/passwd", secret_name: "MOSQUITTO_PASSWORD_FILE" };
    const config = { files: files ?? [secret, ...confFiles(broker)] };
    const urn = `urn:pulumi:dev::p::appkata-mqtt:index:Broker$${TYPE}::mosquitto`;
    return deployedFrom({ [urn]: { type: TYPE, outputs: { config } } }, new Date());
}

function warnings(from: Record<string, string>, to: Record<string, string>, files?: object[]) {
    return queueWarnings(deployedWith(from, files), parseSettings({ users, ...to }, "test"));
}

describe("lower queue limits", () => {
    it("cause a warning each, with the new and the old value", () => {
        assert.deepEqual(warnings({ maxQueuedMessages: "1000" }, { maxQueuedMessages: "10" }), [
            "maxQueuedMessages: is 10 and was 1000: at the restart for this change Mosquitto 2.1 drops queued " +
                "messages beyond the limit, the newest first; let the clients fetch theirs before, or keep " +
                "the limit",
        ]);
        const lower = { maxQueuedMessages: "10", maxQueuedBytes: "5000000" };
        assert.equal(warnings({}, lower).length, 2);
    });

    it("cause a warning if a smaller machine lowers them", () => {
        const [line, ...more] = warnings({ memoryMb: "512" }, { memoryMb: "256" });
        assert.match(
            line!,
            /^maxQueuedBytes: is 8388608 \(default: 1\/32 of memoryMb\) and was 16777216: /,
        );
        assert.deepEqual(more, []);
    });

    it("cause none with Mosquitto 2.0, nor do limits that stay or grow", () => {
        const lower = { maxQueuedMessages: "10" };
        assert.deepEqual(warnings({}, { ...lower, baseImage: "eclipse-mosquitto:2.0.22" }), []);
        assert.deepEqual(warnings(lower, lower), []);
        assert.deepEqual(warnings(lower, {}), []);
    });

    it("are unknown without a machine, or with one that has no limits", () => {
        const settings = parseSettings({ users, maxQueuedMessages: "10" }, "test");
        assert.deepEqual(queueWarnings(deployedFrom({}, new Date()), settings), []);
        const raw_value = Buffer.from("max_queued_messages 5").toString("base64");
        for (const files of [[], [{ guest_path: "/etc/appkata/mosquitto-2.1.conf", raw_value }]]) {
            assert.deepEqual(warnings({}, { maxQueuedMessages: "1" }, files), []);
        }
    });
});
