import assert from "node:assert/strict";
import { globSync, readFileSync } from "node:fs";
import path from "node:path";
import { parse } from "yaml";
import { ROOT } from "../../lib/paths.ts";

interface Step {
    uses?: string;
    run?: string;
}

interface Workflow {
    on: Record<string, unknown>;
    jobs: Record<string, { environment?: string; steps: Step[] }>;
}

describe("workflows", () => {
    for (const file of globSync(".github/workflows/*.yaml", { cwd: ROOT })) {
        const text = readFileSync(path.join(ROOT, file), "utf8");
        const { on, jobs } = parse(text) as Workflow;
        const name = path.basename(file, ".yaml");

        it(`${name} pins its actions by digest`, () => {
            for (const { uses } of Object.values(jobs).flatMap(({ steps }) => steps)) {
                if (uses !== undefined) assert.match(uses, /^[\w.-]+\/[\w./-]+@[0-9a-f]{40}$/);
            }
        });

        it(`${name} gives secrets to a pull request's code only after a review`, () => {
            if (!("pull_request" in on)) return;
            for (const [job, { environment, ...rest }] of Object.entries(jobs)) {
                if (JSON.stringify(rest).includes("secrets.")) assert.ok(environment, job);
            }
        });

        it(`${name} writes no debug output, which would contain every secret`, () => {
            assert.doesNotMatch(text, /--debug|-v[= ]?\d|--verbose|event-log|PULUMI_DEBUG/);
        });
    }
});
