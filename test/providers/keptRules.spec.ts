import assert from "node:assert/strict";
import { Name, Passwords } from "../../providers/entry.ts";
import { UNKNOWN } from "../../providers/provider.ts";
import { failuresOf } from "./support/failures.ts";

describe("check of a name", () => {
    it("refuses a prefix that does not fit Fly's length", async () => {
        assert.deepEqual(await failuresOf(Name, { prefix: "x".repeat(56) }), []);
        const failures = await failuresOf(Name, { prefix: "x".repeat(57) });
        assert.match(failures[0] ?? "", /has 57 characters; at most 56/);
    });
    it("refuses a prefix that is no app name", async () => {
        assert.equal((await failuresOf(Name, { prefix: "My_App" })).length, 1);
    });
});

describe("check of passwords", () => {
    const of = (one: { user: string; password?: string }, iterations = 1000) =>
        failuresOf(Passwords, { users: [one], iterations });

    for (const user of ["", "__proto__", "a:b", "#", "a\nb", "a\u0000b", "x".repeat(65536)]) {
        it(`refuse the user ${JSON.stringify(user.slice(0, 10))}`, async () => {
            const failures = await of({ user });
            assert.equal(failures.length, 1);
            assert.match(failures[0] ?? "", /^users\[0\]\.user: /);
        });
    }
    for (const user of ["tester", "jürgen", "a b", "a.b-c@d", "constructor", UNKNOWN]) {
        it(`accept the user ${user.slice(0, 11)}`, async () => {
            assert.deepEqual(await of({ user }), []);
        });
    }
    it("refuse a duplicate user", async () => {
        const users = [{ user: "ada" }, { user: "ada" }];
        assert.deepEqual(await failuresOf(Passwords, { users, iterations: 1000 }), [
            'users[1].user: "ada" is listed twice',
        ]);
    });
    it("refuse an empty and a short password, and never show it", async () => {
        assert.deepEqual(await of({ user: "ada", password: "" }), [
            "users[0].password: the password is empty; leave it out to have one generated",
        ]);
        assert.deepEqual(await of({ user: "ada", password: "hunter2" }), [
            "users[0].password: the password has 7 characters, fewer than 8",
        ]);
        assert.deepEqual(await of({ user: "ada", password: "hunter22" }), []);
    });
    for (const hash of ["$7$1000$c2FsdA==$aGFzaA==", "$6$c2FsdA==$aGFzaA==", "$argon2id$v=19$x"]) {
        it(`refuse a hash in place of a password: ${hash.slice(0, 8)}…`, async () => {
            const [failure] = await of({ user: "ada", password: hash });
            assert.match(failure ?? "", /is a hash; set the password itself/);
            assert.ok(!failure?.includes(hash));
        });
    }
    for (const iterations of [0, 999, 1000.5, 10_000_001]) {
        it(`refuse ${iterations} iterations`, async () => {
            assert.equal((await of({ user: "ada" }, iterations)).length, 1);
        });
    }
    it("leave + and / to the settings, which know Mosquitto's rules for topics", async () => {
        assert.deepEqual(await of({ user: "a+b/c" }), []);
    });
});
