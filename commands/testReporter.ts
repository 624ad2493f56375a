/** Extends mocha's spec reporter to write its counts and failures to a file, for `npm test` to add up. */
import { writeFileSync } from "node:fs";
import Mocha from "mocha";

/** Content of the file that the reporter's option `file` names, as JSON. */
export interface Report {
    passed: number;
    failed: number;
    skipped: number;
    /** Title and error of each test or hook that failed. */
    failures: string[];
}

export default class CountingReporter extends Mocha.reporters.Spec {
    constructor(runner: Mocha.Runner, options: Mocha.MochaOptions) {
        super(runner, options);
        const { file } = (options.reporterOptions ?? {}) as { file?: string };
        const report: Report = { passed: 0, failed: 0, skipped: 0, failures: [] };
        runner.on("fail", (test: Mocha.Runnable, error: Error) => {
            report.failures.push(`${test.fullTitle()}\n${error.stack ?? error.message}`);
        });
        runner.once("end", () => {
            const { passes = 0, failures = 0, pending = 0 } = this.stats;
            Object.assign(report, { passed: passes, failed: failures, skipped: pending });
            if (file !== undefined) writeFileSync(file, JSON.stringify(report));
        });
    }
}
