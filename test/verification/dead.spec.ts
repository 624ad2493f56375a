import assert from "node:assert/strict";
import { verify } from "../../verification/verify.ts";
import { failures, Verified } from "./support/verified.ts";

describe("verification of a broker that is down or unhealthy", () => {
    const on = new Verified();

    const REFUSALS = ["round trip", "login", "no password", "wrong password"];

    it("does not count a closed connection as a refusal", async () => {
        const steps = await on.stepsOf({ secure: (socket) => socket.destroy() });
        assert.deepEqual(failures(steps), REFUSALS);
        for (const step of steps.filter(({ ok }) => !ok)) {
            assert.match(step.text, /closed without an answer|reset|disconnected/);
        }
    });

    it("does not count silence as a refusal", async () => {
        const steps = await on.stepsOf({ secure: (socket) => socket.resume() });
        assert.deepEqual(failures(steps), REFUSALS);
        for (const step of steps.filter(({ ok }) => !ok)) {
            assert.match(step.text, /no answer to CONNECT within 1 s/);
        }
    });

    it("does not count 'server unavailable' as a refusal of the password", async () => {
        const steps = await on.stepsOf({ refusalCode: 3 });
        assert.deepEqual(failures(steps), ["no password", "wrong password"]);
    });

    it("does not count a closed port as a refusal of plain MQTT", async () => {
        const broker = await on.start({});
        const steps = await verify(on.targetAt(broker.port), {
            stepTimeoutMs: 1000,
            onStep: ({ name }) => {
                if (name === "wrong password") void on.close();
            },
        });
        assert.deepEqual(failures(steps), ["no TLS", "other CA"]);
    });
});
