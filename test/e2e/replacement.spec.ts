import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import mqtt from "mqtt";
import { collect, connect } from "../support/mqtt.ts";
import type { BrokerOutputs } from "../../config/outputs.ts";
import { Project, usersNamed, type Run } from "../support/project.ts";

const CERTIFICATE_PORT = 10001;
const GIVEN = "given to the sensors";

/** What a resource becomes that is replaced, or lost by the state. */
type Fate = "kept" | "renewed" | "refused";

interface Resource {
    urn: string;
    id?: string;
}

/** Each type with its logical name, and what replaces nothing of the data or the clients' access. */
const TYPES: readonly (readonly [type: string, name: string, fate: Fate])[] = [
    ["fly:App", "app", "kept"],
    ["fly:IpAddress", "v4", "kept"],
    ["fly:IpAddress", "v6", "kept"],
    ["fly:Volume", "data", "kept"],
    ["fly:Secrets", "files", "kept"],
    ["fly:Machine", "mosquitto", "kept"],
    ["kept:Name", "app", "kept"],
    ["kept:Passwords", "passwords", "kept"],
    ["kept:RevocationList", "ca", "kept"],
    ["kept:FormerDevices", "former", "kept"],
    ["tls:index/privateKey:PrivateKey", "ca", "refused"],
    ["tls:index/selfSignedCert:SelfSignedCert", "ca", "renewed"],
    ["tls:index/privateKey:PrivateKey", "server", "renewed"],
    ["tls:index/locallySignedCert:LocallySignedCert", "server", "renewed"],
    ["docker:index/image:Image", "broker", "kept"],
    ["command:local:Command", "client", "renewed"],
];

/** Everything is tried on one stack, which must be whole after each. */
describe("a replacement of a deployed stack's resource", function () {
    this.timeout(300_000);
    let project: Project;
    let first: BrokerOutputs;
    let revoked: { cert: string; key: string };
    let exported: string;

    before(async () => {
        project = await Project.make({
            users: usersNamed("tester", "sensors", "lamp", "lock"),
            devices: ["lamp", "lock"],
            clientCertificates: "optional",
            passwords: { sensors: GIVEN },
        });
        const all = await project.deploy();
        revoked = pairOf(all, "lock");
        project.configure({ users: usersNamed("tester", "sensors", "lamp"), devices: ["lamp"] });
        await ok(["up", "--yes", "--skip-preview"]);
        first = await project.outputs();
        const client = await connect(first, { user: "tester" });
        await client.publishAsync("kept", "by the volume", { qos: 1, retain: true });
        await client.endAsync();
    });
    after(async () => {
        await project.remove();
    });

    function pairOf({ clientCertificates }: BrokerOutputs, name: string) {
        const { certificatePem: cert, privateKeyPem: key } = clientCertificates![name]!;
        return { cert, key };
    }

    async function ok(args: string[]): Promise<Run> {
        const run = await project.pulumi(args);
        assert.equal(run.code, 0, run.output);
        return run;
    }

    async function refused(args: string[], why: RegExp): Promise<void> {
        const run = await project.pulumi(args);
        assert.notEqual(run.code, 0, run.output);
        assert.match(run.output, why);
    }

    async function resources(): Promise<Resource[]> {
        const { stdout } = await ok(["stack", "export"]);
        exported = stdout;
        const { deployment } = JSON.parse(stdout) as { deployment: { resources: Resource[] } };
        return deployment.resources;
    }

    async function urnOf(type: string, name: string): Promise<string> {
        const found = (await resources()).filter(
            ({ urn }) => urn.includes(`${type}::`) && urn.endsWith(`:${name}`),
        );
        assert.equal(found.length, 1, `${type} ${name}: ${found.length}`);
        return found[0]!.urn;
    }

    /** What the engine does, resource by resource, of a preview or an up. */
    async function operations(args: string[]): Promise<{ run: Run; done: string[] }> {
        const log = path.join(project.dir, "events.json");
        const run = await project.pulumi([...args, "--event-log", log], {
            PULUMI_DEBUG_COMMANDS: "1",
        });
        const events = readFileSync(log, "utf8").trim().split("\n");
        const done = events
            .map(
                (line) =>
                    JSON.parse(line) as {
                        resourcePreEvent?: { metadata: { op: string; urn: string } };
                    },
            )
            .flatMap(({ resourcePreEvent: event }) => (event ? [event.metadata] : []))
            .filter(({ op }) => op !== "same" && op !== "read")
            .map(({ op, urn }) => `${op} ${urn.split("$").at(-1)}`);
        return { run, done: done.toSorted() };
    }

    /** The requests that delete something at Fly, leases apart. */
    async function deletions(): Promise<string[]> {
        const { entries } = await project.admin<{ entries: { method: string; path: string }[] }>(
            "GET",
            "journal",
        );
        return entries
            .filter(
                ({ method, path: at }) => method === "DELETE" && /^\/v1\/.*(?<!\/lease)$/.test(at),
            )
            .map(({ path: at }) => at);
    }

    async function logIn(port: number, options: mqtt.IClientOptions): Promise<string> {
        const { address: host, hostname: servername } = first;
        // The CA of before: clients have no other.
        const tls = { servername, ca: first.caCertificatePem };
        return mqtt
            .connectAsync({ protocol: "mqtts", host, port, reconnectPeriod: 0, ...tls, ...options })
            .then(
                (client) => client.endAsync().then(() => "in"),
                (error: Error) => error.message,
            );
    }

    /** As clients see it, and as Fly has it. */
    async function isWhole(): Promise<void> {
        const now = await project.outputs();
        for (const key of ["appName", "address", "machineId", "volumeId"] as const) {
            assert.equal(now[key], first[key]);
        }
        assert.deepEqual(now.users, first.users);
        const client = await connect({ ...now, caCertificatePem: first.caCertificatePem });
        const received = collect(client, 1);
        await client.subscribeAsync("kept", { qos: 1 });
        assert.deepEqual(await received, ["kept by the volume"]);
        await client.endAsync();
        const [username, password] = ["sensors", GIVEN];
        assert.equal(await logIn(now.port, { username, password }), "in");
        assert.equal(await logIn(CERTIFICATE_PORT, pairOf(first, "lamp")), "in");
        assert.notEqual(await logIn(CERTIFICATE_PORT, revoked), "in");
        const { apps } = await project.status();
        assert.deepEqual(
            apps.map((app) => [app.name, app.machines.length, app.volumes.length]),
            [[first.appName, 1, 1]],
        );
        assert.deepEqual(apps[0]!.addresses.map(({ type }) => type).toSorted(), ["v4", "v6"]);
        const again = await operations(["preview"]);
        assert.deepEqual(again.done, [], again.run.output);
    }

    /** A preview and the up do the same, and nothing is deleted at Fly. */
    async function goesThrough(args: string[]): Promise<void> {
        const preview = await operations(["preview", ...args]);
        assert.equal(preview.run.code, 0, preview.run.output);
        await project.admin("DELETE", "journal");
        const up = await operations(["up", "--yes", "--skip-preview", ...args]);
        assert.equal(up.run.code, 0, up.run.output);
        assert.deepEqual(await deletions(), []);
        const unsaid = up.done.filter((line) => !preview.done.includes(line));
        assert.deepEqual(unsaid, [], "up does what its preview did not say");
        await isWhole();
    }

    async function isRefused(args: string[]): Promise<void> {
        for (const command of [["preview"], ["up", "--yes", "--skip-preview"]]) {
            await project.admin("DELETE", "journal");
            await refused([...command, ...args], /appkata-mqtt:clientsShutOut allow/);
            assert.deepEqual(await deletions(), []);
        }
        await isWhole();
    }

    for (const [type, name, fate] of TYPES) {
        it(`by --replace: ${type} ${name} is ${fate}`, async () => {
            const args = ["--replace", await urnOf(type, name)];
            await (fate === "refused" ? isRefused(args) : goesThrough(args));
        });
    }

    it("by a taint, of all but the CA's key at once: they are kept or renewed", async () => {
        const urns = [];
        for (const [type, name, fate] of TYPES) {
            if (fate !== "refused") urns.push(await urnOf(type, name));
        }
        await ok(["state", "taint", "--yes", ...urns]);
        await goesThrough([]);
    });

    it("by a taint of the CA's key: it is refused until the taint is taken back", async () => {
        const urn = await urnOf("tls:index/privateKey:PrivateKey", "ca");
        await ok(["state", "taint", "--yes", urn]);
        await project.admin("DELETE", "journal");
        await refused(["up", "--yes", "--skip-preview"], /pulumi state untaint/);
        assert.deepEqual(await deletions(), []);
        await ok(["state", "untaint", "--yes", urn]);
        await isWhole();
    });

    it("by the loss of the app and all that hangs on it from the state: it is adopted", async () => {
        const urn = await urnOf("fly:App", "app");
        await ok(["state", "delete", "--yes", "--target-dependents", urn]);
        await goesThrough([]);
    });

    it("by the loss of a revocation list from the state: whoever is on it stays out", async () => {
        const urn = await urnOf("kept:RevocationList", "ca");
        await ok(["state", "delete", "--yes", "--target-dependents", urn]);
        await goesThrough([]);
    });

    it("by the loss of the CA's key from the state: it is refused until it is back", async () => {
        const urn = await urnOf("tls:index/privateKey:PrivateKey", "ca");
        const before = exported;
        await ok(["state", "delete", "--yes", "--target-dependents", urn]);
        await refused(["up", "--yes", "--skip-preview"], /pulumi stack import/);
        const file = path.join(project.dir, "state.json");
        writeFileSync(file, before);
        await ok(["stack", "import", "--file", file]);
        await isWhole();
    });

    it("by other logical names, without an alias: what is at Fly is kept", async () => {
        project.edit("components/flyApp.ts", (text) =>
            text.replace(
                "new App(\n            `${name}:app`",
                "new App(\n            `${name}:application`",
            ),
        );
        project.edit("components/broker.ts", (text) =>
            text
                .replace(
                    "new Volume(\n            `${name}:data`",
                    "new Volume(\n            `${name}:disk`",
                )
                .replace(
                    "new Secrets(\n            `${name}:files`",
                    "new Secrets(\n            `${name}:given`",
                )
                .replace(
                    "new Machine(\n            `${name}:mosquitto`",
                    "new Machine(\n            `${name}:one`",
                ),
        );
        await goesThrough([]);
        for (const [type, name] of [
            ["fly:App", "application"],
            ["fly:Machine", "one"],
        ] as const) {
            await urnOf(type, name);
        }
    });

    it("by another logical name with an alias: nothing is made", async () => {
        project.edit("components/broker.ts", (text) =>
            text
                .replace(
                    "new Machine(\n            `${name}:one`",
                    "new Machine(\n            `${name}:two`",
                )
                .replace(
                    "dependsOn: args.after }",
                    "dependsOn: args.after, aliases: [{ name: `${name}:one` }] }",
                ),
        );
        await goesThrough([]);
        await urnOf("fly:Machine", "two");
    });

    it("of the CA's key, once a setting allows that all clients are shut out", async () => {
        project.configure({ clientsShutOut: "allow" });
        const urn = await urnOf("tls:index/privateKey:PrivateKey", "ca");
        await ok(["up", "--yes", "--skip-preview", "--replace", urn]);
        const now = await project.outputs();
        assert.notEqual(now.caCertificatePem, first.caCertificatePem);
        await assert.rejects(connect({ ...now, caCertificatePem: first.caCertificatePem }));
        await (await connect(now)).endAsync();
    });
});
