import assert from "node:assert/strict";
import { onPath } from "../../toolchain/process.ts";
import { mqtt3Cases, mqtt5Cases, type Cases } from "../support/conformance.ts";
import { Project, type Outputs } from "../support/project.ts";

/** `npm run test:conformance`: the deployed broker, through the edge, by public suites. */
describe("deployed broker by public suites", function () {
    this.timeout(600_000);
    let project: Project;
    let outputs: Outputs;

    before(async () => {
        project = await Project.make();
        outputs = await project.deploy();
    });
    after(async () => {
        await project.remove();
    });

    describe("MQTT conformance (Paho's suites)", () => {
        // Why each is so is in docs/conformance.md.
        const KNOWN = {
            "5.0": ["test_subscribe_failure", "test_subscription_identifiers", "test_will_delay"],
            "3.1.1": ["ResumeSubsMaxInflight"],
        };
        const behind = () => {
            const { address, port, hostname, caCertificatePem: caPem, users } = outputs;
            const [username, password] = Object.entries(users)[0]!;
            return { address, port, hostname, caPem, username, password };
        };
        /** The suites wait two seconds for an answer: what fails is run once more. */
        const failures = async (run: () => Promise<Cases>, least: number, known: string[]) => {
            const failed = (cases: Cases) =>
                [...cases].flatMap(([name, why]) =>
                    why === undefined || known.includes(name) ? [] : [name],
                );
            const first = await run();
            assert.ok(first.size >= least, `only ${[...first.keys()].join()} ran`);
            if (failed(first).length === 0) return [];
            const second = failed(await run());
            return failed(first).filter((name) => second.includes(name));
        };

        it("passes 5.0 as listed", async () => {
            assert.deepEqual(await failures(() => mqtt5Cases(behind()), 21, KNOWN["5.0"]), []);
        });

        it("passes 3.1.1 as listed", async function () {
            if ((await onPath("go")) === undefined) return this.skip();
            const run = () => mqtt3Cases(behind(), `127.${process.pid % 200}.77.1`);
            assert.deepEqual(await failures(run, 31, KNOWN["3.1.1"]), []);
        });
    });
});
