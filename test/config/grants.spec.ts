import assert from "node:assert/strict";
import { ada, parse, problems, table } from "./support/grants.ts";

const ALL = { everything: true };

describe("users and their grants", () => {
    it("are accepted", () => {
        const users = [
            { name: "ada", read: ["news/#"], write: ["by/%u"], deny: ["news/secret"] },
            { name: "reader", everything: "read", read: ["$SYS/#"] },
        ];
        const settings = parse({ users, everyone: { readWrite: ["client/%c/#"] } });
        const none = { read: [], write: [], readWrite: [], deny: [], everything: false };
        assert.deepEqual(
            settings.users,
            users.map((user) => ({ ...none, ...user, password: undefined, certificate: false })),
        );
        assert.deepEqual(settings.everyone, { read: [], write: [], readWrite: ["client/%c/#"] });
        assert.deepEqual(settings.warnings, []);
    });

    describe("cause a warning:", () => {
        table(
            [
                [
                    ada({ read: ["a", "a"] }),
                    /^users\.0\.read\.1: "a" adds nothing to users\.0\.read\.0/,
                ],
                [
                    ada({ read: ["a/b", "a/#"] }),
                    /^users\.0\.read\.0: "a\/b" adds nothing to users\.0\.r/,
                ],
                [
                    ada({ readWrite: ["a/#"], write: ["a/b"] }),
                    /^users\.0\.write\.0: .* users\.0\.readW/,
                ],
                [
                    ada({ read: ["a/#"], write: ["a/#"], readWrite: ["a/b"] }),
                    /^users\.0\.readWrite\.0: .* to users\.0\.read\.0 and users\.0\.write\.0; remove it$/,
                ],
                [
                    ada({ ...ALL, read: ["a"] }),
                    /^users\.0\.read\.0: .* to users\.0\.everything; remove/,
                ],
                [
                    ada({ ...ALL, deny: ["a/#", "a/b"] }),
                    /^users\.0\.deny\.1: .* to users\.0\.deny\.0;/,
                ],
                [
                    ada({ read: ["a"], deny: ["b"] }),
                    /^users\.0\.deny\.0: "b" denies what nothing gra/,
                ],
                [
                    { ...ada({ read: ["news/a"] }), everyone: { read: ["news/#"] } },
                    /^users\.0\.read\.0: "news\/a" adds nothing to everyone\.read\.0; remove it$/,
                ],
                [
                    { ...ada(ALL), everyone: { read: ["b", "b"] } },
                    /^everyone\.read\.1: "b" adds nothing to everyone\.read\.0; remove it$/,
                ],
            ],
            (settings) => parse(settings).warnings,
        );
    });

    describe("cause neither an error nor a warning:", () => {
        table(
            [
                [ada({ read: ["a/#"], write: ["a/b"] })],
                [ada({ readWrite: ["a/#"], deny: ["a/b", "a/+/c"] })],
                [ada({ ...ALL, read: ["$SYS/#"] })],
                [ada({ write: ["$SYS/broker/connection/x/state"], read: ["a"] })],
                [{ users: [{ name: "ada" }], everyone: { read: ["news"] } }],
                [{ ...ada({ deny: ["c/x"] }), everyone: { readWrite: ["c/%c"] } }],
                [{ ...ada({ read: ["c/ada"] }), everyone: { read: ["c/%c"] } }],
            ],
            (settings) => [...problems(settings), ...parse(settings).warnings],
        );
    });
});
