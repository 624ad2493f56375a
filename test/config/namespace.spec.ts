import assert from "node:assert/strict";
import { settingsIn } from "../../config/namespace.ts";

const OURS = { "appkata-mqtt:users": "[]", "appkata-mqtt:port": "1", "fly:token": "t" };

describe("settings of a renamed project", () => {
    const fork = { project: "my-broker", stack: "dev" };

    it("are read under the original name", () => {
        const { raw, problems } = settingsIn(OURS, fork);
        assert.deepEqual(raw, { users: "[]", port: "1" });
        assert.deepEqual(problems, []);
    });

    it("are read under its own name too, where `pulumi config set` puts them", () => {
        const { raw, problems } = settingsIn({ ...OURS, "my-broker:region": "ams" }, fork);
        assert.deepEqual(raw, { users: "[]", port: "1", region: "ams" });
        assert.deepEqual(problems, []);
    });

    it("are refused if set under both names, with the command that removes one", () => {
        const { problems } = settingsIn({ ...OURS, "my-broker:port": "2" }, fork);
        assert.equal(problems.length, 1);
        assert.match(problems[0]!, /^port: is set twice/);
        assert.match(problems[0]!, /`pulumi config rm --stack dev my-broker:port`$/);
    });

    it("under a third project's name are reported, with the command that moves them", () => {
        const config = { "old-fork:users": "[]", "old-fork:port": "1", "aws:region": "eu-west-1" };
        const { raw, problems } = settingsIn(config, fork);
        assert.deepEqual(raw, {});
        assert.equal(problems.length, 1);
        assert.match(problems[0]!, /^old-fork:users, old-fork:port: not read/);
        assert.match(problems[0]!, /sed -i .*old-fork:.*appkata-mqtt:.* Pulumi\.dev\.yaml`$/);
    });

    it("of the original project are read once", () => {
        const { raw } = settingsIn(OURS, { project: "appkata-mqtt", stack: "dev" });
        assert.deepEqual(raw, { users: "[]", port: "1" });
    });
});
