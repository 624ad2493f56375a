import assert from "node:assert/strict";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import path from "node:path";
import { freePorts } from "../../dev/harness/freePorts.ts";
import { Project, usersNamed } from "../../dev/harness/project.ts";

const [closedPort] = await freePorts(1);

/** Each mistake is reported with name, key and value, and nothing is created for it, not even in the state. */
describe("bad input", function () {
    this.timeout(120_000);
    let project: Project;

    before(async () => {
        project = await Project.make();
        // Starts the local Fly and creates the stack; the tests need no deployment.
        const list = await project.pulumi(["stack", "ls"]);
        assert.equal(list.code, 0, list.output);
        await project.admin("POST", "apps", { name: "taken-by-others", organization: "others" });
    });
    after(async () => {
        await project.remove();
    });

    async function refused(expected: RegExp, env: NodeJS.ProcessEnv = {}): Promise<string> {
        const run = await project.cli(["up", "--yes", "--skip-preview"], env);
        assert.notEqual(run.code, 0, run.output);
        assert.match(run.output, expected);
        assert.match(run.output, /nothing was changed/);
        assert.doesNotMatch(run.output, /\n\s+at .*\.ts:/, "a stack trace is shown");
        const state = await project.pulumi(["stack", "export"]);
        const { deployment } = JSON.parse(state.stdout) as {
            deployment: { resources?: { type: string }[] };
        };
        const made = (deployment.resources ?? [])
            .map(({ type }) => type)
            // The component is registered before its settings can be checked.
            .filter((type) => !/^pulumi:(pulumi:Stack|providers:)|:MosquittoBroker$/.test(type));
        assert.deepEqual(made, []);
        assert.deepEqual(
            (await project.status()).apps.map(({ name }) => name),
            ["taken-by-others"],
        );
        return run.output;
    }

    const settings: [string, Record<string, unknown>, RegExp][] = [
        ["an unknown region", { region: "xyz" }, /region "?xyz.*lhr/s],
        ["an app name that Fly refuses", { appName: "My_Broker" }, /appName: .*"My_Broker"/],
        [
            "an app name that someone else owns",
            { appName: "taken-by-others" },
            /appName.*taken-by-others/,
        ],
        ["a port out of range", { port: 70000 }, /port: .*1 to 65535; it is "70000"/],
        ["no users", { users: [] }, /users: must name at least one user/],
        [
            "a user name that Mosquitto refuses",
            { users: usersNamed("a:b") },
            /users\.0\.name: "a:b" contains :/,
        ],
        [
            "an empty password",
            { passwords: { tester: "" } },
            /passwords\.tester: the password is empty/,
        ],
        [
            "too short a password",
            { passwords: { tester: "hunter2" } },
            /passwords\.tester: .*7 characters/,
        ],
        [
            "memory that the CPU kind does not allow",
            { cpuKind: "performance", memoryMb: 512 },
            /512 MB of memory: .* 2048 to 8192 MB/,
        ],
        [
            "an unreachable endpoint",
            { endpoint: `http://127.0.0.1:${closedPort}` },
            /endpoint "http:\/\/127\.0\.0\.1:\d+".*ECONNREFUSED/s,
        ],
    ];
    for (const [name, config, expected] of settings) {
        it(`refuses ${name}`, async () => {
            const before = project.read("Pulumi.dev.yaml");
            project.configure(config);
            try {
                const output = await refused(expected);
                assert.ok(!output.includes("hunter2"));
            } finally {
                project.edit("Pulumi.dev.yaml", () => before);
            }
        });
    }

    it("lists all mistakes at once", async () => {
        const before = project.read("Pulumi.dev.yaml");
        project.configure({ port: 0, users: [], region: "Q" });
        try {
            const output = await refused(/3 settings are wrong/);
            for (const key of ["port", "users", "region"])
                assert.match(output, new RegExp(`- ${key}: `));
        } finally {
            project.edit("Pulumi.dev.yaml", () => before);
        }
    });

    it("refuses a token that Fly rejects", async () => {
        await refused(/fly:token: Fly rejects the token/, { FLY_API_TOKEN: "not-the-token" });
    });

    it("refuses to start without Docker", async () => {
        const socket = path.join(project.dir, "no-docker.sock");
        const output = await refused(/docker: the daemon doesn't answer at unix:.*start Docker/, {
            DOCKER_HOST: `unix://${socket}`,
        });
        assert.match(output, new RegExp(socket));
    });

    it("refuses a registry that rejects the token", async () => {
        const registry = createServer((_request, response) => {
            response.writeHead(403).end();
        });
        await new Promise<void>((resolve) => registry.listen(0, "127.0.0.1", resolve));
        const before = project.read("Pulumi.dev.yaml");
        const { port } = registry.address() as AddressInfo;
        project.configure({ registry: `127.0.0.1:${port}` });
        try {
            await refused(new RegExp(`registry: 127\\.0\\.0\\.1:${port} refuses the token`));
        } finally {
            project.edit("Pulumi.dev.yaml", () => before);
            await new Promise((done) => registry.close(done));
        }
    });
});
