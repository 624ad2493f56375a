import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import path from "node:path";
import { connectAsync } from "mqtt";
import type { BrokerOutputs } from "../../config/outputs.ts";
import { Project } from "../../dev/harness/project.ts";

const PASSWORD = 'correct horse\'s battery "staple"';

/** Pulumi's own commands through `npm run pulumi`, in turn: each leaves a stack that works. */
describe("Pulumi's commands on the dev stack", function () {
    this.timeout(120_000);
    this.bail(true);
    let project: Project;
    let outputs: BrokerOutputs;

    before(async () => {
        project = await Project.make();
        project.edit("Pulumi.dev.yaml", (text) => `# The project's own words.\n${text}`);
        outputs = await project.deploy();
    });
    after(async () => {
        await project.remove();
    });

    async function ok(...args: string[]): Promise<string> {
        const plain = ["--non-interactive", "--color", "never"];
        const run = await project.npm("pulumi", [...plain, ...args]);
        assert.equal(run.code, 0, `pulumi ${args.join(" ")}\n${run.output}`);
        return run.stdout;
    }

    /** Asserts that only settings changed in the committed file; no other machine could read its secrets. */
    function committed(): string {
        const text = project.read("Pulumi.dev.yaml");
        assert.doesNotMatch(text, /encryptionsalt|secure/);
        assert.match(text, /^# The project's own words\.$/m);
        return text;
    }

    async function valueOf(key: string, ...options: string[]): Promise<string> {
        return (await ok("config", "get", ...options, key)).trimEnd();
    }

    it("config set and rm change the settings", async () => {
        await ok("config", "set", "maxConnections", "77");
        assert.match(committed(), /appkata-mqtt:maxConnections: "?77"?$/m);
        assert.equal(await valueOf("maxConnections"), "77");
        await ok("config", "set-all", "--plaintext", "metrics=false", "--plaintext", "cpus=1");
        assert.match(committed(), /appkata-mqtt:metrics: "?false"?$/m);
        await ok("config", "rm", "maxConnections");
        await ok("config", "rm-all", "metrics", "cpus");
        assert.doesNotMatch(committed(), /maxConnections|metrics|cpus/);
    });

    it("config set takes arguments after -- unchanged", async () => {
        await ok("config", "set", "organization", "--", "-1");
        assert.equal(await valueOf("organization"), "-1");
        await ok("config", "rm", "organization");
    });

    it("config set --secret is kept on this machine, and used", async () => {
        await ok("config", "set", "--secret", "--path", "passwords.tester", PASSWORD);
        await ok("config", "set", "--secret", "other:secret", "x");
        committed();
        assert.equal(await valueOf("passwords.tester", "--path"), PASSWORD);
        assert.match(await ok("config", "--show-secrets"), /battery/);
        assert.doesNotMatch(await ok("config"), /battery/);
        assert.match(await ok("preview", "--diff"), /~ kept:Password|~ pulumi-nodejs/);
        await ok("up", "--yes", "--skip-preview");
        outputs = await project.outputs();
        assert.equal(outputs.users.tester, PASSWORD);
        const client = await connectAsync({
            ...{ protocol: "mqtts", host: outputs.address, port: outputs.port },
            ...{ servername: outputs.hostname, ca: outputs.caCertificatePem },
            ...{ username: "tester", password: PASSWORD },
        });
        await client.endAsync();
    });

    it("npm run local continues with it", async () => {
        const run = await project.npm("local");
        assert.equal(run.code, 0, run.output);
        assert.match(run.output, /^ {4}\d+ unchanged$/m);
        assert.ok(!run.output.includes("battery"));
    });

    for (const args of [
        ["up", "--yes", "--skip-preview", "--config", "appkata-mqtt:metrics=true"],
        ["preview", "--expect-no-changes"],
        ["refresh", "--yes", "--expect-no-changes"],
        ["config", "refresh", "--force"],
        ["stack"],
        ["stack", "output", "--show-secrets", "--json"],
        ["stack", "history"],
        ["stack", "graph", "graph.dot"],
        ["stack", "export", "--file", "state.json", "--show-secrets"],
        ["stack", "import", "--file", "state.json"],
        ["state", "unprotect", "--all", "--yes"],
        ["cancel", "--yes"],
    ]) {
        it(`${args.join(" ")} does not change it`, async () => {
            await ok(...args);
            committed();
            assert.equal(await valueOf("passwords.tester", "--path"), PASSWORD);
        });
    }

    it("up --config keeps the settings it was given", () => {
        assert.match(committed(), /appkata-mqtt:metrics: "?true"?$/m);
    });

    it("commands that do not apply to this stack are refused, with the alternative", async () => {
        const run = await project.npm("pulumi", ["stack", "rm", "--yes"]);
        assert.equal(run.code, 1, run.output);
        assert.equal(
            run.output,
            "pulumi stack rm: `npm run local:down` removes the stack and everything that belongs to it.\n",
        );
    });

    it("a secret replaces a plain setting, and a plain one set later is reported", async () => {
        await ok("config", "set", "--secret", "metrics", "true");
        assert.doesNotMatch(committed(), /metrics/);
        // Which removes the comments.
        project.configure({ metrics: false });
        const run = await project.pulumi(["config", "get", "metrics"]);
        assert.equal(run.stdout.trim(), "true");
        assert.match(run.output, /appkata-mqtt:metrics: the secret set on this machine overrides/);
        await ok("config", "rm", "metrics");
        assert.doesNotMatch(project.read("Pulumi.dev.yaml"), /metrics/);
    });

    it("another machine's secrets in the committed file are reported, with the way out", async () => {
        const before = project.read("Pulumi.dev.yaml");
        project.edit("Pulumi.dev.yaml", (text) => `encryptionsalt: v1:x\n${text}`);
        project.configure({ passwords: { tester: { secure: "v1:abc" } } });
        const run = await project.pulumi(["preview"]);
        assert.notEqual(run.code, 0);
        assert.match(
            run.output,
            /Pulumi\.dev\.yaml has secrets that .*: appkata-mqtt:passwords\. Remove them/,
        );
        writeFileSync(path.join(project.dir, "Pulumi.dev.yaml"), before);
    });

    it("destroy and up deploy anew, with the secrets that were set", async () => {
        await ok("destroy", "--yes", "--skip-preview");
        await ok("up", "--yes", "--skip-preview");
        assert.equal((await project.outputs()).users.tester, PASSWORD);
    });
});
