import assert from "node:assert/strict";
import { ada, problems, table } from "./support/grants.ts";
import { problems as problemsOf } from "./support/problems.ts";

const ALL = { everything: true };

describe("users and their grants", () => {
    describe("are refused:", () => {
        table(
            [
                // Shapes.
                [
                    { users: ["tester"] },
                    /^users\.0: is only a name, which grants nothing; write \{name: tester, everything: true\}, or list what.*; it is "tester"$/,
                ],
                [
                    { users: [ALL] },
                    /^users\.0\.name: must be the user's name, .*; it is "?not set"?$/,
                ],
                [
                    { users: [{ name: 5, ...ALL }] },
                    /^users\.0\.name: must be the user's name, in quotes .*; it is "5"$/,
                ],
                [
                    ada({ reads: ["a"] }),
                    /^users\.0: reads is not one of its keys; must be a list of users, each \{name: …\}/,
                ],
                [
                    ada({ read: "a" }),
                    /^users\.0\.read: must be a list of topic filters; it is "a"$/,
                ],
                [ada({ read: [7] }), /^users\.0\.read\.0: must be a topic filter; it is "7"$/],
                [ada({ everything: "no" }), /^users\.0\.everything: must be true, read or write; /],
                [
                    { users: [{ name: "ada", ...ALL }], everyone: ["a"] },
                    /^everyone: must be a map with the lists read, write and readWrite \(`pulumi config set everyone '\{"read":/,
                ],
                [
                    { users: [{ name: "ada", ...ALL }], everyone: { deny: ["a"] } },
                    /^everyone: deny is not one of its keys; must be a map with the lists read, write and readWrite; /,
                ],
                // Names.
                [{ users: [{ name: "", ...ALL }] }, /^users\.0\.name: a user needs a name$/],
                [
                    { users: [{ name: "__proto__", ...ALL }] },
                    /^users\.0\.name: "__proto__" cannot be a key of the output users/,
                ],
                [{ users: [{ name: "a:b", ...ALL }] }, /^users\.0\.name: "a:b" contains :, which/],
                [{ users: [{ name: " a", ...ALL }] }, /^users\.0\.name: " a" begins or ends with/],
                [
                    { users: [{ name: "a\nb", ...ALL }] },
                    /^users\.0\.name: "a\\nb" contains a control character/,
                ],
                [{ users: [{ name: "$SYS", ...ALL }] }, /^users\.0\.name: "\$SYS" begins with \$/],
                [
                    { users: [{ name: "appkata-monitor-1", ...ALL }] },
                    /^users\.0\.name: "appkata-monitor-1" begins with appkata-, as only the project's/,
                ],
                [
                    { users: [{ name: "appkata-verification", ...ALL }] },
                    /^users\.0\.name: "appkata-verification" begins with appkata-/,
                ],
                [
                    {
                        users: [
                            { name: "a", ...ALL },
                            { name: "a", ...ALL },
                        ],
                    },
                    /^users\.1\.name: is listed twice, as users\.0\.name too; it is "a"$/,
                ],
                // Filters.
                [ada({ read: ["a/#/b"] }), /^users\.0\.read\.0: "a\/#\/b" has # before its last/],
                [ada({ write: ["a", "b+"] }), /^users\.0\.write\.1: "b\+" has \+ beside other/],
                [ada({ readWrite: [""] }), /^users\.0\.readWrite\.0: "" is empty; name a topic/],
                [ada({ ...ALL, deny: ["#a"] }), /^users\.0\.deny\.0: "#a" has # beside other/],
                [ada({ read: ["x\ntopic #"] }), /^users\.0\.read\.0: "x\\ntopic #" has a charac/],
                [
                    ada({ read: ["by/%c"] }),
                    /^users\.0\.read\.0: "by\/%c" has %c, .*move it to everyone$/,
                ],
                [
                    ada({ read: ["$share/g/a"] }),
                    /^users\.0\.read\.0: .* can never match: grant a shared/,
                ],
                // Everything.
                [
                    ada({ readWrite: ["#"] }),
                    /^users\.0\.readWrite\.0: "#" .* everything: true inst/,
                ],
                [
                    ada({ read: ["+/#"] }),
                    /^users\.0\.read\.0: "\+\/#" .* everything: read instead$/,
                ],
                [ada({ write: ["#"] }), /^users\.0\.write\.0: "#" .* everything: write instead$/],
                [
                    { ...ada(ALL), everyone: { read: ["#"] } },
                    /^everyone\.read\.0: "#" grants everything to everybody; set everything: read/,
                ],
                // Filters that can never match.
                [
                    ada({ write: ["$SYS/a"] }),
                    /^users\.0\.write\.0: .* nobody write to \$SYS; remove/,
                ],
                [ada({ readWrite: ["$SYS/#"] }), /^users\.0\.readWrite\.0: .* move it to read$/],
                [
                    ada({ write: ["$CONTROL/#"] }),
                    /^users\.0\.write\.0: "\$CONTROL\/#" is Mosquitto's control topic/,
                ],
                [
                    ada({ readWrite: ["a/b", "c"], deny: ["a/#"] }),
                    /^users\.0\.readWrite\.0: "a\/b" can never match: users\.0\.deny\.0 \("a\/#"\) denies/,
                ],
                [
                    ada({ read: ["a"], deny: ["a"] }),
                    /^users\.0\.read\.0: "a" can never match: users/,
                ],
                [
                    ada({ read: ["by/%u"], deny: ["by/ada"] }),
                    /^users\.0\.read\.0: .* can never match/,
                ],
                [ada({ ...ALL, deny: ["#"] }), /^users\.0\.everything: "#" can never match/],
                [ada({}), /^users\.0: "ada" is granted nothing; list what it may/],
                [ada({ deny: ["a"] }), /^users\.0: "ada" is granted nothing; list what it may/],
                [{ ...ada(ALL), everyone: { write: ["$SYS/a"] } }, /^everyone\.write\.0: .* \$SYS/],
                [{ ...ada(ALL), everyone: { read: ["a#"] } }, /^everyone\.read\.0: "a#" has # bes/],
                [
                    { ...ada(ALL), everyone: { read: ["a/x%c"] } },
                    /^everyone\.read\.0: "a\/x%c" has %c beside other characters; in everyone it/,
                ],
                [
                    { ...ada(ALL), everyone: { read: ["%uu/a"] } },
                    /^everyone\.read\.0: "%uu\/a" has %u beside other characters/,
                ],
                [
                    { ...ada(ALL), everyone: { read: ["%c/#"] } },
                    /^everyone\.read\.0: "%c\/#" begins with %c, .* as in client\/%c$/,
                ],
                // The monitor's.
                [
                    ada({ write: ["$appkata/monitor"] }),
                    /^users\.0\.write\.0: "\$appkata\/monitor" is where the machine's own/,
                ],
                // All at once.
                [
                    { users: [{ name: "#", read: ["a+"] }, { name: "b" }], everyone: {} },
                    /^users\.0\.name: "#" begins with #, so its line .* would be a comment$/,
                    /^users\.0\.read\.0: "a\+"/,
                    /^users\.1: "b" is granted nothing/,
                ],
            ],
            problems,
        );
    });

    it("are checked beside other invalid settings", () => {
        const lines = problemsOf({ users: JSON.stringify([{ name: "a" }]), port: "0" });
        assert.ok(lines.some((text) => text.startsWith("port: ")));
        assert.ok(lines.some((text) => text.startsWith('users.0: "a" is granted nothing')));
    });
});
