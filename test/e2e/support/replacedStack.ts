/** A deployed stack whose resources are replaced, renamed or lost, and which must be whole after each. */
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import mqtt from "mqtt";
import type { BrokerOutputs } from "../../../config/outputs.ts";
import { collect, connect } from "../../../dev/harness/mqtt.ts";
import { Project, usersNamed, type Run } from "../../../dev/harness/project.ts";

const CERTIFICATE_PORT = 10001;
const GIVEN = "given to the sensors";

/** Expected fate of a resource that is replaced, renamed or lost from the state. */
export type Fate = "kept" | "renewed" | "refused";

export interface Replaced {
    readonly type: string;
    readonly name: string;
    readonly fate: Fate;
}

/** Each type with its logical name within its component. */
export const REPLACED: readonly Replaced[] = (
    [
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
        ["tls:index/privateKey:PrivateKey", "lamp", "renewed"],
        ["tls:index/locallySignedCert:LocallySignedCert", "lamp", "renewed"],
        ["docker:index/image:Image", "broker", "kept"],
        ["command:local:Command", "client", "renewed"],
    ] as const
).map(([type, name, fate]) => ({ type, name, fate }));

export const CA_KEY = REPLACED.find(({ fate }) => fate === "refused")!;

/** The error that names the setting which allows a new CA. */
export const SHUT_OUT = /appkata-mqtt:clientsShutOut allow/;

interface Resource {
    urn: string;
}

interface Event {
    resourcePreEvent?: { metadata: { op: string; urn: string } };
}

export interface Operations {
    readonly run: Run;
    /** The engine's steps, by resource. */
    readonly done: string[];
}

export class ReplacedStack {
    readonly project: Project;
    readonly first: BrokerOutputs;
    /** More settings for the program's runs. */
    env: NodeJS.ProcessEnv = {};
    /** A revoked certificate. */
    readonly #revoked: { cert: string; key: string };

    private constructor(
        project: Project,
        first: BrokerOutputs,
        revoked: { cert: string; key: string },
    ) {
        this.project = project;
        this.first = first;
        this.#revoked = revoked;
    }

    static async make(): Promise<ReplacedStack> {
        const project = await Project.make({
            users: usersNamed("tester", "sensors", "lamp", "lock"),
            devices: ["lamp", "lock"],
            clientCertificates: "optional",
            passwords: { sensors: GIVEN },
        });
        const revoked = pairOf(await project.deploy(), "lock");
        project.configure({ users: usersNamed("tester", "sensors", "lamp"), devices: ["lamp"] });
        const up = await project.up();
        assert.equal(up.code, 0, up.output);
        const first = await project.outputs();
        const client = await connect(first, { user: "tester" });
        await client.publishAsync("kept", "by the volume", { qos: 1, retain: true });
        await client.endAsync();
        return new ReplacedStack(project, first, revoked);
    }

    async ok(args: string[]): Promise<Run> {
        const run = await this.project.pulumi(args);
        assert.equal(run.code, 0, run.output);
        return run;
    }

    /** The stack's state, in the form that `pulumi stack import` takes. */
    async exported(): Promise<string> {
        return (await this.ok(["stack", "export"])).stdout;
    }

    async imports(state: string): Promise<void> {
        const file = path.join(this.project.dir, "state.json");
        writeFileSync(file, state);
        await this.ok(["stack", "import", "--file", file]);
    }

    async urnOf(type: string, name: string): Promise<string> {
        const { deployment } = JSON.parse(await this.exported()) as {
            deployment: { resources: Resource[] };
        };
        const found = deployment.resources.filter(({ urn }) => isOf(urn, { type, name }));
        assert.equal(found.length, 1, `${type} ${name}: ${found.length}`);
        return found[0]!.urn;
    }

    /** Deletes a resource and its dependents from the state. */
    async loses(urn: string): Promise<void> {
        await this.ok(["state", "delete", "--yes", "--target-dependents", urn]);
    }

    async operations(args: string[]): Promise<Operations> {
        const log = path.join(this.project.dir, "events.json");
        const run = await this.project.pulumi([...args, "--event-log", log], {
            PULUMI_DEBUG_COMMANDS: "1",
            ...this.env,
        });
        const events = readFileSync(log, "utf8").trim().split("\n");
        const done = events
            .map((line) => JSON.parse(line) as Event)
            .flatMap(({ resourcePreEvent: event }) => (event ? [event.metadata] : []))
            .filter(({ op }) => op !== "same" && op !== "read")
            .map(({ op, urn }) => `${op} ${urn.split("$").at(-1)}`);
        return { run, done: done.toSorted() };
    }

    /** Requests that delete something at Fly, except leases. */
    async #deletions(): Promise<string[]> {
        const { entries } = await this.project.admin<{
            entries: { method: string; path: string }[];
        }>("GET", "journal");
        return entries
            .filter(
                ({ method, path: at }) => method === "DELETE" && /^\/v1\/.*(?<!\/lease)$/.test(at),
            )
            .map(({ path: at }) => at);
    }

    /** Asserts that preview and up do the same, and nothing is deleted at Fly. @returns what the up did */
    async goesThrough(args: string[] = []): Promise<string[]> {
        const preview = await this.operations(["preview", ...args]);
        assert.equal(preview.run.code, 0, preview.run.output);
        await this.project.admin("DELETE", "journal");
        const up = await this.operations(["up", "--yes", "--skip-preview", ...args]);
        assert.equal(up.run.code, 0, up.run.output);
        assert.deepEqual(await this.#deletions(), []);
        const unsaid = up.done.filter((line) => !preview.done.includes(line));
        assert.deepEqual(unsaid, [], "up does what its preview did not say");
        await this.isWhole();
        return up.done;
    }

    /** Asserts that preview and up both refuse, before anything is deleted. */
    async isRefused(args: string[], why: RegExp): Promise<void> {
        for (const command of [["preview"], ["up", "--yes", "--skip-preview"]]) {
            await this.project.admin("DELETE", "journal");
            const run = await this.project.pulumi([...command, ...args], this.env);
            assert.notEqual(run.code, 0, run.output);
            assert.match(run.output, why);
            assert.deepEqual(await this.#deletions(), []);
        }
    }

    /** Asserts that clients and Fly see a whole stack, and nothing is left to do. */
    async isWhole(): Promise<void> {
        const { first, project } = this;
        const now = await project.outputs();
        for (const key of ["appName", "address", "machineId", "volumeId", "users"] as const) {
            assert.deepEqual(now[key], first[key], key);
        }
        const client = await connect(first, { user: "tester" });
        const received = collect(client, 1);
        await client.subscribeAsync("kept", { qos: 1 });
        assert.deepEqual(await received, ["kept by the volume"]);
        await client.endAsync();
        const given = { username: "sensors", password: GIVEN };
        assert.equal(await this.#logIn(first.port, given), "in");
        for (const outputs of [first, now]) {
            assert.equal(await this.#logIn(CERTIFICATE_PORT, pairOf(outputs, "lamp")), "in");
        }
        assert.notEqual(await this.#logIn(CERTIFICATE_PORT, this.#revoked), "in");
        const { apps } = await project.status();
        assert.deepEqual(
            apps.map((app) => [app.name, app.machines.length, app.volumes.length]),
            [[first.appName, 1, 1]],
        );
        assert.deepEqual(apps[0]!.addresses.map(({ type }) => type).toSorted(), ["v4", "v6"]);
        const again = await this.operations(["preview"]);
        assert.deepEqual(again.done, [], again.run.output);
    }

    /** Uses the CA from before: clients have no other. */
    async #logIn(port: number, options: mqtt.IClientOptions): Promise<string> {
        const { address: host, hostname: servername, caCertificatePem: ca } = this.first;
        const to = { protocol: "mqtts", host, port, servername, ca, reconnectPeriod: 0 } as const;
        return mqtt.connectAsync({ ...to, ...options }).then(
            (client) => client.endAsync().then(() => "in"),
            (error: Error) => error.message,
        );
    }
}

/** Whether a URN, or its end, belongs to a resource. @param name within its component */
export function isOf(urn: string, { type, name }: Pick<Replaced, "type" | "name">): boolean {
    return urn.includes(`${type}::`) && urn.endsWith(`:${name}`);
}

function pairOf({ clientCertificates }: BrokerOutputs, name: string) {
    const { certificatePem: cert, privateKeyPem: key } = clientCertificates![name]!;
    return { cert, key };
}
