import assert from "node:assert/strict";
import { problems as problemsOf } from "./support/problems.ts";

type User = Record<string, unknown>;

const ALL = { everything: true };

function problems(users: User[], everyone: User = {}, more: Record<string, string> = {}): string[] {
    const raw = { users: JSON.stringify(users), everyone: JSON.stringify(everyone) };
    return problemsOf({ ...raw, ...more });
}

describe("user names", () => {
    for (const name of [
        ...["lab/7", "/a", "a/", "joe+mqtt@example.com", "+49 171", "a#1", "a.b", 'a"b', "it's"],
        ...["a\\b", "a b", "ünï", "%u", "[0]", "a".repeat(300)],
    ]) {
        it(`may be ${name.slice(0, 30)}`, () => {
            assert.deepEqual(problems([{ name, ...ALL }]), []);
        });
    }

    it("with several levels may be granted by %u", () => {
        const users = [{ name: "lab/7", write: ["to/%u/#"] }, { name: "lab/71" }];
        assert.deepEqual(problems(users, { read: ["from/%u/#", "client/%c"] }), []);
    });

    it("may be below each other if nothing is granted below", () => {
        const users = [
            { name: "lab", write: ["to/%u"] },
            { name: "lab/7", write: ["to/%u/#"] },
        ];
        assert.deepEqual(problems(users), []);
    });

    const joe = "joe+x";
    for (const [why, found, expected] of [
        [
            "a comment's beginning",
            () => problems([{ name: "#1", ...ALL }]),
            /begins with #, so its/,
        ],
        [
            "a client's ID in a pattern",
            () => problems([{ name: "lab/%c", ...ALL }]),
            /^users\.0\.name: "lab\/%c" has the level %c, for which Mosquitto would take/,
        ],
        [
            "a path's end",
            () => problems([{ name: "a.b\\", ...ALL }]),
            /^users\.0\.name: "a\.b\\" ends with a backslash, which a path of `pulumi config set --path` cannot/,
        ],
        [
            "a wildcard in a filter of its own",
            () =>
                problems([
                    { name: "a#", write: ["to/%u"] },
                    { name: joe, write: ["to/%u"] },
                ]).slice(0, 1),
            /^users\.0\.name: "a#" contains #, which would be a wildcard in users\.0\.write\.0 \("to\/%u"\); write/,
        ],
        [
            "a wildcard in a filter of everyone's",
            () => problems([{ name: joe, ...ALL }], { read: ["to/%u"] }),
            /^users\.0\.name: "joe\+x" contains \+, which would be a wildcard in everyone\.read\.0/,
        ],
        [
            "what patterns grant nothing to",
            () => problems([{ name: joe, ...ALL }], { readWrite: ["client/%c"] }),
            /^users\.0\.name: "joe\+x" contains \+, and Mosquitto grants nothing by a pattern, as everyone\.readWrite\.0/,
        ],
        [
            "two levels beside a client's ID",
            () => problems([{ name: "a/b", ...ALL }], { read: ["%u/%c"] }),
            /^users\.0\.name: "a\/b" contains \/, and everyone\.read\.0 \("%u\/%c"\) has %u beside %c/,
        ],
        [
            "below another",
            () =>
                problems([
                    { name: "a", write: ["to/%u/#"] },
                    { name: "a/b", ...ALL },
                ]),
            /^users\.1\.name: "a\/b" is below "a" \(users\.0\.name\), to whom users\.0\.write\.0 \("to\/%u\/#"\) would/,
        ],
        [
            "below another, by everyone's filter",
            () =>
                problems(
                    [
                        { name: "a/b/c", ...ALL },
                        { name: "a/b", ...ALL },
                    ],
                    { read: ["%u/+/c/#"] },
                ),
            /^users\.0\.name: "a\/b\/c" is below "a\/b" \(users\.1\.name\), to whom everyone\.read\.0/,
        ],
        [
            "a client's ID of two levels",
            () => problems([{ name: "a/b", ...ALL }], { read: ["at/%c"] }, { clientIds: "user" }),
            /^clientIds: is user, so %c in "at\/%c" .* to "a\/b", which contains \/; write %u instead of %c$/,
        ],
    ] as const) {
        it(`are refused as ${why}`, () => {
            const lines = found();
            assert.equal(lines.length, 1, lines.join("\n"));
            assert.match(lines[0]!, expected);
        });
    }
});
