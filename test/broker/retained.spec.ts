import { SERIES } from "../../broker/conf.ts";
import { logInTo } from "../support/brokerClient.ts";
import { ADA, BrokerFixture } from "../support/brokerFixture.ts";
import { until } from "../../dev/harness/until.ts";

/** Like Home Assistant's discovery: thousands of messages of some hundred bytes. */
const BODY = "d".repeat(200);
/** 2.0 rewrites all its data for each acknowledgement: 5,000 took 137 s, in 2.1 a few. */
const COUNTS = { "2.1": [1500, 5000], "2.0": [1500] };

for (const series of SERIES) {
    describe(`thousands of retained messages on Mosquitto ${series}`, function () {
        this.timeout(150_000);
        const fixture = new BrokerFixture(series);

        it("reach a new subscriber completely, at QoS 1", async () => {
            const broker = await fixture.start();
            const publisher = await logInTo(broker, fixture.authority, ADA);
            let sent = 0;
            for (const count of COUNTS[series]) {
                while (sent < count) {
                    const some = Array.from({ length: 100 }, () => sent++);
                    await Promise.all(
                        some.map((at) =>
                            publisher.publishAsync(`discovery/${at}/config`, BODY, {
                                qos: 1,
                                retain: true,
                            }),
                        ),
                    );
                }
                const came = new Set<string>();
                const fresh = await logInTo(broker, fixture.authority, ADA);
                fresh.on("message", (topic) => void came.add(topic));
                await fresh.subscribeAsync("discovery/#", { qos: 1 });
                await until(`all ${count} arrive`, () => came.size === count, {
                    withinMs: 120_000,
                });
                await fresh.endAsync();
            }
            await publisher.endAsync();
        });
    });
}
