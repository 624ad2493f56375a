import assert from "node:assert/strict";
import { onPath, say } from "../../lib/process.ts";
import { mqtt3Cases, mqtt5Cases, type Cases } from "../support/conformance.ts";
import { BROKERS, compare, documented, type BrokerName } from "../support/conformanceDoc.ts";
import type { Behind } from "../support/plainFront.ts";
import { Project } from "../../dev/harness/project.ts";
import { makeOldSetup, type OldSetup } from "../../dev/harness/oldSetup.ts";

const USER = { username: "conformance", password: "the suites' password" };
const HOSTNAME = "stock.example";

/** How each case fails that does not pass everywhere. */
const CAUSES = {
    "5.0": {
        test_subscribe_failure: /'Granted QoS 2' != 'Unspecified error'/,
        // The second copy, or only the first with its one identifier, as it arrives.
        test_subscription_identifiers:
            /line 1016: False is not true|line 1020: Items in the second set/,
        test_server_topic_alias: /line 1153: False is not true/,
        test_will_delay: /line 1336: 2\.\d+ != 4 within 1 delta/,
    },
    "3.1.1": {
        DisconnectWhileProcessingIncomingPublish:
            /connection was not lost as expected|pubdone not closed within|no messages received/,
        cleanUpMids: /Should be a token in the messageIDs/,
        cleanUpMids_2: /token should have received an error|Should be a token in the messageIDs/,
    },
};

/**
 * Runs public suites against the deployed broker, through the edge, and against the old setup
 * (test/support/oldSetup).
 */
describe("MQTT conformance (Paho's suites)", function () {
    this.timeout(900_000);
    let project: Project;
    const stock: OldSetup[] = [];
    const results = { "5.0": new Map<BrokerName, Cases>(), "3.1.1": new Map<BrokerName, Cases>() };
    let hasGo: boolean;

    before(async () => {
        hasGo = (await onPath("go")) !== undefined;
        project = await Project.make();
        const { address, port, hostname, caCertificatePem, users } = await project.deploy();
        const [username, password] = Object.entries(users)[0]!;
        const behind: Record<BrokerName, Behind> = {
            deployed: { address, port, hostname, caPem: caCertificatePem, username, password },
            "stock 2.1": await stockBroker("2.1"),
            "stock 2.0": await stockBroker("2.0"),
        };
        // Most of it is waiting. Suites on the same broker run in turn, since they disturb each other.
        await Promise.all(
            BROKERS.map(async (name, at) => {
                const host = `127.${process.pid % 200}.77.${at + 1}`;
                if (hasGo) results["3.1.1"].set(name, await mqtt3Cases(behind[name], host));
                results["5.0"].set(name, await mqtt5Cases(behind[name]));
            }),
        );
    });
    after(async () => {
        for (const { broker } of stock) await broker.remove();
        await project?.remove();
    });

    async function stockBroker(series: "2.1" | "2.0"): Promise<Behind> {
        const oldSetup = await makeOldSetup([HOSTNAME], { [USER.username]: USER.password }, series);
        stock.push(oldSetup);
        await oldSetup.broker.start();
        const port = await oldSetup.broker.port();
        return { address: "127.0.0.1", port, hostname: HOSTNAME, caPem: oldSetup.caPem, ...USER };
    }

    for (const version of ["5.0", "3.1.1"] as const) {
        for (const broker of BROKERS) {
            it(`finds ${version} of the ${broker} broker as docs/conformance.md says`, function () {
                if (version === "3.1.1" && !hasGo) return this.skip();
                const table = documented(version);
                assert.ok(table.size > 20, `only ${table.size} cases are documented`);
                const cases = results[version].get(broker)!;
                const { worse, better } = compare(table, broker, cases, CAUSES[version]);
                for (const one of better) say(`${broker}, ${one}`);
                assert.deepEqual(worse, []);
            });
        }
    }
});
