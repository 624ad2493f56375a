/** Tables of properties, and what a change of each does. */
import assert from "node:assert/strict";
import { UNKNOWN } from "../../../providers/provider.ts";

type Diff = (
    id: string,
    olds: never,
    news: never,
) => Promise<{ changes?: boolean; replaces?: string[]; deleteBeforeReplace?: boolean }>;

/** none, update, or the properties that replace; + if the old one is deleted first. */
export async function effectOf(
    provider: { diff: Diff },
    olds: object,
    news: object,
): Promise<string> {
    const result = await provider.diff("id", olds as never, news as never);
    if (result.changes !== true) {
        assert.deepEqual(result.replaces, []);
        return "none";
    }
    const replaces = result.replaces ?? [];
    if (replaces.length === 0) {
        return "update";
    }
    return `replace ${replaces.join(" ")}${result.deleteBeforeReplace ? " (delete first)" : ""}`;
}

type Case = readonly [change: object, expected: string];

export function table(
    noun: string,
    provider: { diff: Diff },
    inputs: object,
    outputs: object,
    cases: readonly Case[],
    rules?: object,
): void {
    describe(noun, () => {
        const olds = { ...inputs, ...outputs, __provider: "old code" };

        it("is none if nothing changed, whatever the delegate's text", async () => {
            assert.equal(await effectOf(provider, olds, { ...inputs, __provider: "new" }), "none");
        });

        for (const [change, expected] of cases) {
            it(`${JSON.stringify(change).replaceAll(UNKNOWN, "unknown")}: ${expected}`, async () => {
                assert.equal(await effectOf(provider, olds, { ...inputs, ...change }), expected);
            });
        }

        if (rules) {
            everyPropertyHasACase(
                rules,
                cases.map(([change]) => change),
            );
        }
    });
}

export function everyPropertyHasACase(rules: object, changes: readonly object[]): void {
    it("has a case for every property", () => {
        const tested = new Set(changes.flatMap((change) => Object.keys(change)));
        assert.deepEqual(
            Object.keys(rules).filter((key) => !tested.has(key)),
            [],
        );
    });
}
