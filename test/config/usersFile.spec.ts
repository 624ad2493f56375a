import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { withUsersFile } from "../../config/usersFile.ts";
import { problems, users } from "./support/problems.ts";

describe("users in a file", () => {
    let dir: string;
    let file: string;

    before(() => {
        dir = mkdtempSync(path.join(tmpdir(), "users-"));
        file = path.join(dir, "users.json");
    });
    after(() => rmSync(dir, { recursive: true, force: true }));

    it("are read from the file, and its mistakes are reported like the setting's", () => {
        writeFileSync(file, users);
        assert.deepEqual(withUsersFile({ raw: { users: file, port: "1" }, problems: ["p"] }), {
            raw: { users, port: "1" },
            problems: ["p"],
        });
        writeFileSync(file, JSON.stringify([{ name: "#" }]));
        const { raw } = withUsersFile({ raw: { users: file }, problems: [] });
        assert.match(problems(raw)[0]!, /^users\.0\.name: "#" begins with #/);
        writeFileSync(file, "name: ada");
        const { raw: other } = withUsersFile({ raw: { users: file }, problems: [] });
        assert.match(problems(other)[0]!, /^users: must be a list of users.*it is "name: ada"$/);
    });

    it("are refused if the file cannot be read", () => {
        const missing = path.join(dir, "missing.json");
        const found = withUsersFile({ raw: { users: missing }, problems: [] });
        assert.deepEqual(found.problems, [`users: ${missing} cannot be read: ENOENT`]);
    });

    it("are the setting's own if it names no file", () => {
        const found = { raw: { users }, problems: [] };
        assert.deepEqual(withUsersFile(found), found);
        assert.deepEqual(withUsersFile({ raw: {}, problems: [] }), { raw: {}, problems: [] });
    });
});
