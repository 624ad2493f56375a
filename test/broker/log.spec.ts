// core
import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { SERIES } from "../../broker/conf.ts";
import { closed, collect, logInTo, openTo } from "../support/brokerClient.ts";
import { CONF } from "../../dev/harness/brokerConf.ts";
import { type BrokerContainer, getFrom } from "../../dev/harness/brokerContainer.ts";
import type { Authority } from "../../dev/harness/certificates.ts";
import { ADA } from "../support/brokerFixture.ts";
import { startWatched } from "../support/watchedBroker.ts";

for (const series of SERIES) {
    describe(`log of Mosquitto ${series}`, function () {
        this.timeout(120_000);
        let authority: Authority;
        let broker: BrokerContainer;

        before(async () => {
            ({ broker, authority } = await startWatched(series));
        });
        after(() => broker.remove());

        it("has one line per event, without passwords and payloads", async () => {
            const marks = { password: "WRONGPASSWORD", payload: "PAYLOADMARK", fake: "FORGED" };
            const forged = `x\n2026-01-01T00:00:00Z: ${marks.fake} line`;
            const wrong = { ...ADA, password: marks.password };
            for (const more of [{}, { clientId: forged }, { username: forged }]) {
                const refused = await openTo(broker, authority, { ...wrong, ...more });
                refused.on("error", () => undefined);
                await closed(refused);
            }
            const client = await logInTo(broker, authority, ADA);
            const back = collect(client, 1);
            await client.subscribeAsync("logged", { qos: 1 });
            await client.publishAsync("logged", marks.payload, { qos: 1, retain: true });
            await back;
            const gone = closed(client);
            client.publish("logged", marks.payload.repeat(CONF.limits.packetBytes / 8));
            await gone;
            const other = await logInTo(broker, authority, ADA);
            const cut = closed(other);
            // mqtt.js accepts a topic with a line break; the broker does not.
            other.publish(`a/${forged}`, marks.payload);
            await Promise.race([cut, sleep(500)]);
            await other.endAsync(true);
            await getFrom(broker, `/health?${marks.fake}`);
            const log = await broker.log();
            const lines = log.trimEnd().split("\n");
            for (const line of lines) assert.match(line, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ: \S/);
            assert.ok(lines.some((line) => /not authori[sz]ed|denied/i.test(line)));
            for (const secret of [marks.password, marks.payload, ADA.password]) {
                assert.ok(!log.includes(secret), secret);
            }
            assert.ok(
                !lines.some((line) => line.startsWith(`2026-01-01T00:00:00Z: ${marks.fake}`)),
            );
        });
    });
}
