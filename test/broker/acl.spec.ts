import assert from "node:assert/strict";
import { aclFile, type Access, type Grants } from "../../broker/acl.ts";

const NOBODY: Grants = { read: [], write: [], readWrite: [] };
const user = (name: string, access: Partial<Access> = {}): Access => {
    return { ...NOBODY, deny: [], everything: false, name, ...access };
};

describe("Mosquitto's ACL file", () => {
    it("has one block per user, denials first", () => {
        const users = [
            user("all", { everything: true }),
            user("reader", { everything: "read", deny: ["private/#"] }),
            user("ada", {
                read: ["news/#", "for/%u"],
                write: ["by/%u/%u"],
                readWrite: ["own/%u/#"],
                deny: ["own/%u/secret"],
            }),
        ];
        assert.equal(
            aclFile({ users, everyone: NOBODY, internal: [] }),
            `user all
topic readwrite #

user reader
topic deny private/#
topic read #

user ada
topic deny own/ada/secret
topic readwrite own/ada/#
topic read news/#
topic read for/ada
topic write by/ada/ada
`,
        );
    });

    it("repeats everyone's grants in each user's block, and puts patterns below", () => {
        const everyone = {
            read: ["news/#", "to/%u/#"],
            write: ["by/%c"],
            readWrite: ["chat"],
        };
        const internal = [user("own", { readWrite: ["x"] })];
        assert.equal(
            aclFile({ users: [user("a", { read: ["b"] }), user("c")], everyone, internal }),
            `user a
topic read b
topic readwrite chat
topic read news/#

user c
topic readwrite chat
topic read news/#

user own
topic readwrite x

pattern read to/%u/#
pattern write by/%c
`,
        );
    });

    it("writes out %u grants for a name with several levels", () => {
        const users = [user("a/b"), user("c")];
        const everyone = { ...NOBODY, read: ["to/%u/#", "client/%c"] };
        assert.equal(
            aclFile({ users, everyone, internal: [] }),
            "user a/b\ntopic read to/a/b/#\n\nuser c\n\npattern read to/%u/#\npattern read client/%c\n",
        );
    });

    it("escapes nothing in a name", () => {
        const users = [user("a $& b", { read: ["%u"] })];
        assert.equal(
            aclFile({ users, everyone: NOBODY, internal: [] }),
            "user a $& b\ntopic read a $& b\n",
        );
    });
});
