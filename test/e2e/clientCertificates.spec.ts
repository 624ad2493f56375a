import assert from "node:assert/strict";
import { chmodSync, mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import mqtt from "mqtt";
import { until } from "../../dev/harness/until.ts";
import { certificatesIn } from "../../lib/pem.ts";
import type { BrokerOutputs } from "../../config/outputs.ts";
import { Project, usersNamed } from "../../dev/harness/project.ts";

const CERTIFICATE_PORT = 10001;

/** Clients with certificates: each test continues from the one before. */
describe("a deployed broker's clients with certificates", function () {
    this.timeout(240_000);
    this.bail(true);
    let project: Project;
    let outputs: BrokerOutputs;

    before(async () => {
        const devices = {
            users: ["tester", "pump", "lamp"].map((name) => ({ name, everything: true })),
            devices: ["pump", "lamp"],
        };
        const everyone = { readWrite: ["client/%c"] };
        project = await Project.make({ ...devices, everyone, clientCertificates: "optional" });
        outputs = await project.deploy();
    });
    after(async () => {
        await project.remove();
    });

    async function upWith(settings: Record<string, unknown>): Promise<void> {
        project.configure(settings);
        const up = await project.up();
        assert.equal(up.code, 0, up.output);
        outputs = await project.outputs();
    }

    const pairOf = (name: string) => {
        const { certificatePem: cert, privateKeyPem: key } = outputs.clientCertificates![name]!;
        return { cert, key };
    };

    async function instanceId(): Promise<string> {
        const path = `/apps/${outputs.appName}/machines/${outputs.machineId}`;
        const machine = (await (await project.fly("GET", path)).json()) as { instance_id: string };
        return machine.instance_id;
    }

    /** Result of a login: `in`, or the error. */
    async function logIn(port: number, options: mqtt.IClientOptions): Promise<string> {
        return mqtt
            .connectAsync({
                ...{ protocol: "mqtts", host: outputs.address, port, reconnectPeriod: 0 },
                ...{ servername: outputs.hostname, ca: outputs.caCertificatePem },
                ...options,
            })
            .then(
                (client) => client.endAsync().then(() => "in"),
                (error: Error) => error.message,
            );
    }

    const steps = () =>
        outputs.verification
            .split("\n")
            .filter((line) => line.startsWith("ok"))
            .map((line) => /ms {2}(.*?) - /.exec(line)![1]);

    it("are in a secret output, without passwords", async () => {
        assert.deepEqual(Object.keys(outputs.clientCertificates!), ["lamp", "pump"]);
        assert.deepEqual(Object.keys(outputs.users), ["tester"]);
        const shown = await project.outputs(false);
        assert.equal(shown.clientCertificates, "[secret]");
        assert.equal(shown.verificationLogins, "[secret]");
    });

    it("log in at a port of their own, and the others with passwords as before", async () => {
        const [username, password] = ["tester", outputs.users["tester"]!];
        assert.equal(await logIn(CERTIFICATE_PORT, pairOf("pump")), "in");
        assert.equal(await logIn(outputs.port, { username, password }), "in");
        assert.notEqual(await logIn(CERTIFICATE_PORT, { username, password }), "in");
        assert.match(await logIn(outputs.port, pairOf("pump")), /not authorized/i);
        const { certificatePem: cert, privateKeyPem: key } =
            outputs.verificationLogins.certificates!.foreign;
        assert.notEqual(await logIn(CERTIFICATE_PORT, { cert, key }), "in");
        assert.deepEqual(steps().slice(-6), [
            "certificate",
            "grants",
            "no certificate",
            "foreign certificate",
            "no TLS",
            "other CA",
        ]);
    });

    it("are verified by npm run verify too", async () => {
        const verify = await project.npm("verify");
        assert.equal(verify.code, 0, verify.output);
        assert.match(verify.stdout, /foreign certificate - refused a certificate by another CA/);
    });

    it("are disconnected and refused once removed, and nobody else notices", async () => {
        const lamp = pairOf("lamp");
        const clients = await Promise.all(
            (["lamp", "pump"] as const).map((name) =>
                mqtt.connectAsync({
                    ...{ protocol: "mqtts", host: outputs.address, port: CERTIFICATE_PORT },
                    ...{ servername: outputs.hostname, ca: outputs.caCertificatePem },
                    ...{ ...pairOf(name), clientId: name, reconnectPeriod: 0 },
                }),
            ),
        );
        const [removed, other] = clients as [mqtt.MqttClient, mqtt.MqttClient];
        let lost = 0;
        other.on("close", () => lost++);
        removed.on("error", () => undefined);

        const before = await instanceId();
        project.configure({ users: usersNamed("tester", "pump"), devices: ["pump"] });
        const preview = await project.pulumi(["preview"]);
        assert.match(preview.output, /kept:RevocationList\s+mosquitto:revocation:ca\s+update/);
        assert.doesNotMatch(preview.output, /fly:Machine\s/);
        await upWith({});
        assert.equal(await instanceId(), before);
        await until("the removed client is disconnected", () => !removed.connected);
        await other.publishAsync("tests", "", { qos: 1 });
        assert.equal(await logIn(CERTIFICATE_PORT, pairOf("pump")), "in");
        assert.notEqual(await logIn(CERTIFICATE_PORT, lamp), "in");
        assert.equal(lost, 0);
        for (const client of clients) await client.endAsync(true);

        await upWith({ users: usersNamed("tester", "pump", "lamp"), devices: ["pump", "lamp"] });
        assert.equal(await logIn(CERTIFICATE_PORT, pairOf("lamp")), "in");
        assert.notEqual(await logIn(CERTIFICATE_PORT, lamp), "in", "the old one stays revoked");
        await upWith({ users: usersNamed("tester", "pump"), devices: ["pump"] });
        assert.equal(await instanceId(), before);
    });

    it("are not refused if the up that renews them is interrupted", async () => {
        await upWith({ caTrusted: [1, 2] });
        // The certificates exist, but neither the machine nor the outputs have them.
        const action = { type: "status", status: 422, body: { error: "not today" } };
        const rules = [{ method: "POST", path: "/v1/apps/*/secrets", times: 0, action }];
        await project.admin("POST", "faults", { rules });
        project.configure({ caIssuer: 2 });
        const up = await project.up();
        assert.notEqual(up.code, 0, up.output);
        assert.match(up.output, /not today/);
        await project.admin("DELETE", "faults");
        const told = await project.outputs();
        assert.equal(told.clientCertificates!["pump"]!.certificatePem, pairOf("pump").cert);
        project.configure({ caTrusted: [2] });
        const refused = await project.up();
        assert.notEqual(refused.code, 0, refused.output);
        assert.match(refused.output, /nothing was changed:\s+- caTrusted: CA 1 signed .* of pump,/);
    });

    it("keep working with the old CA while a new one takes over", async () => {
        const old = pairOf("pump");
        const before = await instanceId();
        await upWith({ caTrusted: [1, 2], caIssuer: 2 });
        assert.notEqual(pairOf("pump").cert, old.cert);
        for (const pair of [old, pairOf("pump")]) {
            assert.equal(await logIn(CERTIFICATE_PORT, pair), "in");
        }
        assert.equal(certificatesIn(outputs.caCertificatePem).length, 2);
        await upWith({ caTrusted: [2] });
        assert.equal(await logIn(CERTIFICATE_PORT, pairOf("pump")), "in");
        assert.notEqual(await logIn(CERTIFICATE_PORT, old), "in");
        assert.equal(await instanceId(), before, "no restart for any of it");
    });

    it("are the only clients if certificates are required", async () => {
        const [username, password] = ["tester", outputs.users["tester"]!];
        await upWith({ clientCertificates: "required", devices: ["tester", "pump"] });
        assert.deepEqual(outputs.users, {});
        assert.equal(await logIn(outputs.port, pairOf("pump")), "in");
        assert.equal(await logIn(outputs.port, pairOf("tester")), "in");
        assert.notEqual(await logIn(outputs.port, { username, password }), "in");
        assert.deepEqual(steps(), [
            "tls",
            "certificate",
            "grants",
            "no certificate",
            "foreign certificate",
            "former certificates",
            "no TLS",
            "other CA",
        ]);
        const again = await project.pulumi(["preview", "--expect-no-changes"]);
        assert.equal(again.code, 0, again.output);
    });

    it("have commands that work with their files in place", async () => {
        const folder = path.join(project.dir, "certs/dev");
        mkdirSync(folder, { recursive: true });
        for (const [ending, pem] of Object.entries(pairOf("tester"))) {
            const file = path.join(folder, `tester.${ending === "cert" ? "crt" : "key"}`);
            writeFileSync(file, pem);
            chmodSync(file, 0o600);
        }
        const publish = `echo hello | ${outputs.publishCommand}`;
        const run = await project.shell(["sh", "-c", publish]);
        assert.equal(run.code, 0, `${publish}\n${run.output}`);
    });
});
