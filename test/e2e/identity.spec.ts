import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import path from "node:path";
import { connect } from "../../dev/harness/mqtt.ts";
import type { BrokerOutputs } from "../../config/outputs.ts";
import { Project, type Run } from "../../dev/harness/project.ts";
import { devStackIn } from "../../dev/toolchain/devStack.ts";
import { pulumiCli } from "../../dev/toolchain/pulumi.ts";

/**
 * Generated names stay, whatever the stack and the project are called: each test continues from the one
 * before.
 */
describe("a deployed stack's identity", function () {
    this.timeout(240_000);
    this.bail(true);
    let project: Project;
    let first: BrokerOutputs;
    let instance: string;
    let token: string;

    before(async () => {
        project = await Project.make();
        first = await project.deploy();
        token = (await project.status()).token;
        instance = (await machine()).instance_id;
        // Its settings with the salt, which have another name from now on.
        await project.cli(["stack"]);
    });
    after(async () => {
        await project.remove();
    });

    interface Machine {
        instance_id: string;
        config: { metadata: Record<string, string> };
    }

    async function machine(): Promise<Machine> {
        const path = `/apps/${first.appName}/machines/${first.machineId}`;
        return (await (await project.fly("GET", path)).json()) as Machine;
    }

    /** Runs the CLI on whichever stack is selected. */
    async function pulumi(...args: string[]): Promise<Run> {
        const { env } = devStackIn(project.dir);
        const command = [pulumiCli(), ...args, "--non-interactive", "--color", "never"];
        const run = await project.shell(command, { ...env, FLY_API_TOKEN: token });
        assert.equal(run.code, 0, run.output);
        return run;
    }

    /** Asserts that preview and up replace, create and delete nothing, and the broker keeps its data. */
    async function goesOn(stack: string): Promise<void> {
        const on = ["--stack", stack, "--config-file", devStackIn(project.dir).file];
        const preview = await pulumi("preview", "--json", ...on);
        const { steps } = JSON.parse(preview.stdout) as { steps: { op: string; urn: string }[] };
        const others = steps.filter(({ op }) => op !== "same" && op !== "update");
        assert.deepEqual(
            // A preview does not know yet that the verified machine instance stays.
            others.map(({ op, urn }) => `${op} ${urn}`).filter((line) => !/:client$/.test(line)),
            [],
        );
        await project.admin("DELETE", "journal");
        await pulumi("up", "--yes", "--skip-preview", ...on);
        const { entries } = await project.admin<{ entries: { method: string; path: string }[] }>(
            "GET",
            "journal",
        );
        const deleted = entries.filter(
            ({ method, path: at }) => method === "DELETE" && /^\/v1\/.*(?<!\/lease)$/.test(at),
        );
        assert.deepEqual(deleted, []);
        const outputs = await pulumi(
            "stack",
            "output",
            "--json",
            "--show-secrets",
            "--stack",
            stack,
        );
        const now = JSON.parse(outputs.stdout) as BrokerOutputs;
        for (const key of ["appName", "address", "caCertificatePem", "machineId"] as const) {
            assert.equal(now[key], first[key]);
        }
        assert.deepEqual(now.users, first.users);
        await (await connect(first)).endAsync();
        assert.equal((await machine()).instance_id, instance);
        const again = await pulumi("preview", "--json", ...on);
        const rest = JSON.parse(again.stdout) as { steps: { op: string; urn: string }[] };
        assert.deepEqual(
            rest.steps.filter(({ op }) => op !== "same").map(({ op, urn }) => `${op} ${urn}`),
            [],
        );
    }

    it("stays where an older version's --replace of the generated name has changed it", async () => {
        const { stdout } = await pulumi("stack", "export", "--stack", "dev");
        const state = JSON.parse(stdout) as {
            deployment: { resources: { type: string; outputs: { name: string } }[] };
        };
        const made = state.deployment.resources.find(({ type }) => type.endsWith("kept:Name"))!;
        made.outputs.name = "another-abc123";
        const file = path.join(project.dir, "state.json");
        writeFileSync(file, JSON.stringify(state));
        await pulumi("stack", "import", "--file", file, "--stack", "dev");
        await goesOn("dev");
    });

    it("stays when the stack is renamed; the machine's owner is the new name", async () => {
        await pulumi("stack", "rename", "renamed", "--stack", "dev");
        await goesOn("renamed");
        assert.equal((await machine()).config.metadata.pulumi_stack, "renamed");
    });

    it("stays when the project is renamed, and so do the settings", async () => {
        await pulumi("stack", "rename", "organization/my-broker/renamed", "--stack", "renamed");
        project.edit("Pulumi.yaml", (text) => text.replace(/^name: .*$/m, "name: my-broker"));
        await goesOn("organization/my-broker/renamed");
        assert.equal((await machine()).config.metadata.pulumi_project, "my-broker");
    });
});
