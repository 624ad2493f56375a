import assert from "node:assert/strict";
import { BrokerData } from "../../backup/brokerData.ts";
import { notInForce } from "../../backup/restore.ts";
import type { FlyClient } from "../../providers/fly/api/client.ts";
import { MachineApi } from "../../providers/fly/api/machineApi.ts";

/** A machine whose `broker-backup` prints this. */
function machineThatSays(stdout: string): BrokerData {
    const client = {
        post: () => Promise.resolve({ exit_code: 0, stdout }),
    } as unknown as FlyClient;
    return new BrokerData(new MachineApi({ client, app: "a" }, "m", "nonce"));
}

describe("a restore, with an image of another version", () => {
    it("restarts the machine to undo, unless the image says that it need not", async () => {
        assert.equal(await machineThatSays("now\n").undo(), false);
        assert.equal(await machineThatSays("next\n").undo(), true);
        // Older images always need it and print nothing.
        assert.equal(await machineThatSays("").undo(), true);
    });

    it("drops the old data only if the new data is in force", () => {
        assert.equal(notInForce("inForce"), undefined);
        assert.match(notInForce("refused")!, /cannot read it/);
        assert.match(notInForce("waiting")!, /reports "waiting"/);
    });
});
