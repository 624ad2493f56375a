import assert from "node:assert/strict";
import { reusedNameWarnings } from "../../config/reusedNames.ts";

const ada = {
    ...{ user: "ada", password: "of ada", generated: true, iterations: 1000 },
    ...{ hash: "$7$1000$salt$hash", since: "" },
};
const passwords = {
    kept: [ada],
    former: [
        { user: "ada", password: "of before" },
        { user: "bob", password: "of bob" },
        { user: "bob", password: "of bob, before" },
    ],
};

describe("a user with the name of a removed one", () => {
    it("causes one warning, which names it and the way to clear its leftovers", () => {
        const [line, ...more] = reusedNameWarnings(passwords, [{ name: "ada" }, { name: "bob" }]);
        assert.match(line!, /^users: "bob" .*inherits .*sessions.*retained.*`broker-forget ID`/);
        assert.deepEqual(more, []);
    });

    it("is neither a present user with an earlier password, nor a new name", () => {
        assert.deepEqual(reusedNameWarnings(passwords, [{ name: "ada" }, { name: "eve" }]), []);
    });

    it("causes no warning once it is deployed", () => {
        const kept = [ada, { ...ada, user: "bob" }];
        assert.deepEqual(reusedNameWarnings({ ...passwords, kept }, [{ name: "bob" }]), []);
    });
});
