/** Mocha's spec reporter, which also leaves the counts for `npm test` to add up. */
import { writeFileSync } from "node:fs";
import Mocha from "mocha";

export default class CountingReporter extends Mocha.reporters.Spec {
    constructor(runner: Mocha.Runner, options: Mocha.MochaOptions) {
        super(runner, options);
        const { file } = (options.reporterOptions ?? {}) as { file?: string };
        runner.once("end", () => {
            const { passes = 0, failures = 0, pending = 0 } = this.stats;
            const counts = { passed: passes, failed: failures, skipped: pending };
            if (file !== undefined) writeFileSync(file, JSON.stringify(counts));
        });
    }
}
