import assert from "node:assert/strict";
import { aclFile } from "../../broker/acl.ts";

describe("Mosquitto's ACL file", () => {
    it("has a block a user, with what is denied first", () => {
        assert.equal(
            aclFile([
                { name: "all", everything: true },
                {
                    name: "ada",
                    read: ["news/#", "for/%u"],
                    write: ["by/%u/%u"],
                    readWrite: ["own/%u/#"],
                    deny: ["own/%u/secret"],
                },
            ]),
            `user all
topic readwrite #

user ada
topic deny own/ada/secret
topic readwrite own/ada/#
topic read news/#
topic read for/ada
topic write by/ada/ada
`,
        );
    });

    it("takes a name as it is", () => {
        assert.equal(
            aclFile([{ name: "a $& b", read: ["%u"] }]),
            "user a $& b\ntopic read a $& b\n",
        );
    });
});
