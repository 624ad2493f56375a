/** Settings of users and their grants, and the problems or warnings about them. */
import assert from "node:assert/strict";
import { parseSettings } from "../../../config/settings.ts";
import { problems as problemsOf } from "./problems.ts";

type User = Record<string, unknown>;
type Case = [settings: { users: unknown; everyone?: unknown }, ...lines: RegExp[]];

/** The users as the stack's config has them. */
function raw({ users, everyone }: Case[0]): Record<string, string> {
    return {
        users: JSON.stringify(users),
        ...(everyone !== undefined && { everyone: JSON.stringify(everyone) }),
    };
}

export const parse = (settings: Case[0]) => parseSettings(raw(settings), "test");
export const problems = (settings: Case[0]) => problemsOf(raw(settings));

/** One user with this access. */
export const ada = (access: User): Case[0] => ({ users: [{ name: "ada", ...access }] });

/** A test for each case: as many lines as patterns, each matching its own. */
export function table(cases: Case[], linesOf: (settings: Case[0]) => string[]): void {
    for (const [settings, ...expected] of cases) {
        it(JSON.stringify(settings).slice(0, 100), () => {
            const lines = linesOf(settings);
            assert.equal(lines.length, expected.length, lines.join("\n"));
            expected.forEach((pattern, at) => assert.match(lines[at]!, pattern));
        });
    }
}
