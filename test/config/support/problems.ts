import assert from "node:assert/strict";
import { parseSettings, SettingsError } from "../../../config/settings.ts";

/** One user who may do everything: the least that settings need. */
export const users = JSON.stringify([{ name: "tester", everything: true }]);

/** The settings' errors, one per line. */
export function problems(raw: Record<string, string>): string[] {
    try {
        parseSettings({ users, ...raw }, "test");
    } catch (error) {
        assert.ok(error instanceof SettingsError);
        return error.problems;
    }
    return [];
}

/** Defines a test per case: settings with one mistake, and the expected error. */
export function refuses(cases: readonly [Record<string, string>, RegExp][]): void {
    for (const [raw, expected] of cases) {
        it(`refuse ${JSON.stringify(raw)}`, () => {
            const found = problems(raw);
            assert.equal(found.length, 1, found.join("\n"));
            assert.match(found[0]!, expected);
        });
    }
}
