import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import path from "node:path";
import { runInNewContext } from "node:vm";
import { parse } from "yaml";
import { ROOT } from "../../lib/paths.ts";

interface Workflow {
    jobs: Record<string, { if?: string }>;
}

const OWN = "me/broker";

/** Jobs of a workflow that run for a pull request. */
function jobsFor(file: string, from: string, login: string): string[] {
    const text = readFileSync(path.join(ROOT, ".github/workflows", file), "utf8");
    const { jobs } = parse(text) as Workflow;
    const user = { login, type: login.endsWith("[bot]") ? "Bot" : "User" };
    const github = {
        repository: OWN,
        event: {
            pull_request: { head: { repo: { full_name: from } }, user },
            workflow_run: { head_repository: { full_name: from }, actor: user },
        },
    };
    return (
        Object.entries(jobs)
            // GitHub's expressions behave as JavaScript's here.
            .filter(
                ([, { if: condition = "true" }]) =>
                    runInNewContext(condition, { github }) as boolean,
            )
            .map(([name]) => name)
    );
}

describe("previews of pull requests", () => {
    for (const [who, from, actor, preview, comment] of [
        ["a member", OWN, "ada", ["fly"], []],
        ["a fork", "other/broker", "bob", ["local"], ["comment"]],
        // Runs for these bots get no secrets, and a token that cannot comment.
        ["Renovate", OWN, "renovate[bot]", ["local"], ["comment"]],
        ["Dependabot", OWN, "dependabot[bot]", ["local"], ["comment"]],
    ] as const) {
        it(`of ${who} run where they can`, () => {
            assert.deepEqual(jobsFor("preview.yaml", from, actor), preview);
            assert.deepEqual(jobsFor("preview-comment.yaml", from, actor), comment);
        });
    }
});
