import assert from "node:assert/strict";
import { capture } from "../../lib/process.ts";
import type { BrokerOutputs } from "../../config/outputs.ts";
import { Project, usersNamed } from "../../dev/harness/project.ts";

/** Files by which the broker knows who may log in. */
const FILES = ["passwd", "certs/client-ca.crl"];
const NAMES = ["tester", "a.b c", "constructor", "jürgen"];

/** Removed users and devices, and a changed password: each test continues from the one before. */
describe("removed logins of a deployed broker", function () {
    this.timeout(300_000);
    this.bail(true);
    let project: Project;
    let outputs: BrokerOutputs;
    /** The machine's `FILES` before anybody was removed. */
    let earlierFiles: string[];

    before(async () => {
        project = await Project.make({
            users: usersNamed(...NAMES, "bob", "pump", "lamp"),
            devices: ["pump", "lamp"],
            clientCertificates: "optional",
            passwords: { tester: "the first password" },
        });
        outputs = await project.deploy();
        earlierFiles = await filesOfMachine();
    });
    after(() => project.remove());

    const container = () => `fly-${outputs.appName}-${outputs.machineId}`;

    async function inMachine(script: string, input = ""): Promise<string> {
        const command = ["docker", "exec", "-i", container(), "sh", "-c", script];
        const { code, stdout, stderr } = await capture(command, { input });
        assert.equal(code, 0, stderr);
        return stdout;
    }

    async function filesOfMachine(): Promise<string[]> {
        return Promise.all(FILES.map((file) => inMachine(`cat /etc/mosquitto/${file}`)));
    }

    async function apply(files: string[]): Promise<void> {
        for (const [at, text] of files.entries()) {
            await inMachine(`cat >/etc/mosquitto/${FILES[at]}`, text);
        }
        await inMachine("kill -HUP $(cat /run/broker.pid)");
    }

    it("are tested by the up that removes them", async () => {
        assert.doesNotMatch(outputs.verification, /former/);
        const { users } = outputs;
        assert.deepEqual(Object.keys(users).toSorted(), [...NAMES, "bob"].toSorted());
        project.configure({
            users: usersNamed(...NAMES, "pump"),
            devices: ["pump"],
            passwords: { tester: "the second password" },
        });
        const up = await project.up();
        assert.equal(up.code, 0, up.output);
        outputs = await project.outputs();
        assert.match(outputs.verification, /former passwords - refused \d+ former passwords/);
        assert.match(
            outputs.verification,
            /former certificates - refused the certificates of 1 removed devices/,
        );
        const { former, certificates } = outputs.verificationLogins;
        assert.ok(former.some(({ user, password }) => user === "bob" && password === users["bob"]));
        assert.ok(former.some(({ password }) => password === "the first password"));
        assert.deepEqual(
            certificates!.former.map(({ name }) => name),
            ["lamp"],
        );
    });

    it("are tested by npm run verify too, which detects a machine with earlier files", async () => {
        const good = await project.npm("verify");
        assert.equal(good.code, 0, good.output);
        await apply(earlierFiles);
        const bad = await project.npm("verify");
        assert.equal(bad.code, 1, bad.output);
        assert.match(
            bad.output,
            /former passwords - .* saw: bob, lamp, tester got in\. .*`pulumi up/,
        );
        assert.match(bad.output, /former certificates - .* saw: lamp got in\./);
        for (const { password } of outputs.verificationLogins.former) {
            assert.ok(!bad.output.includes(password));
        }
        const up = await project.pulumi(["up", "--yes", "--skip-preview", "--refresh"]);
        assert.equal(up.code, 0, up.output);
        const again = await project.npm("verify");
        assert.equal(again.code, 0, again.output);
    });

    it("stay refused, and the others work, when the passwords are replaced", async () => {
        const urns = await project.pulumi(["stack", "--show-urns"]);
        const of = (type: string) => new RegExp(`urn:\\S+kept:${type}::\\S+`).exec(urns.output)![0];
        const replace = ["Passwords", "FormerDevices"].flatMap((type) => ["--replace", of(type)]);
        const up = await project.pulumi(["up", "--yes", "--skip-preview", ...replace]);
        assert.equal(up.code, 0, up.output);
        const { users, verifier, verificationLogins } = await project.outputs();
        assert.deepEqual(users, outputs.users);
        assert.deepEqual(verifier, outputs.verifier);
        assert.deepEqual(verificationLogins, outputs.verificationLogins);
        const preview = await project.pulumi(["preview", "--expect-no-changes"]);
        assert.equal(preview.code, 0, preview.output);
    });
});
