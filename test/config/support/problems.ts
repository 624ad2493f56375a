import assert from "node:assert/strict";
import { parseSettings, SettingsError } from "../../../config/settings.ts";

/** One user, who may do everything: the least that settings need. */
export const users = JSON.stringify([{ name: "tester", everything: true }]);

/** What is wrong with the settings: a line each. */
export function problems(raw: Record<string, string>): string[] {
    try {
        parseSettings({ users, ...raw }, "test");
    } catch (error) {
        assert.ok(error instanceof SettingsError);
        return error.problems;
    }
    return [];
}

/** A test for each: settings in which one thing is wrong, and what is said of it. */
export function refuses(cases: readonly [Record<string, string>, RegExp][]): void {
    for (const [raw, expected] of cases) {
        it(`refuse ${JSON.stringify(raw)}`, () => {
            const found = problems(raw);
            assert.equal(found.length, 1, found.join("\n"));
            assert.match(found[0]!, expected);
        });
    }
}
