import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import mqtt from "mqtt";
import { capture } from "../../lib/process.ts";
import { certificatesIn } from "../../lib/pem.ts";
import type { BrokerOutputs } from "../../config/outputs.ts";
import { Project } from "../../dev/harness/project.ts";

/** Rotates a deployed broker's certificates: each test continues from the one before. */
describe("a deployed broker's certificates", function () {
    this.timeout(240_000);
    this.bail(true);
    let project: Project;
    let first: BrokerOutputs;
    let both: BrokerOutputs;

    before(async () => {
        project = await Project.make();
        first = await project.deploy();
    });
    after(async () => {
        await project.remove();
    });

    async function upWith(settings: Record<string, unknown>): Promise<BrokerOutputs> {
        project.configure(settings);
        const up = await project.up();
        assert.equal(up.code, 0, up.output);
        return project.outputs();
    }

    async function refusal(outputs: BrokerOutputs, ca: string): Promise<string> {
        return connectTo(outputs, ca).then(
            () => "accepted",
            (error: Error) => error.message,
        );
    }

    async function connectTo(outputs: BrokerOutputs, ca: string): Promise<void> {
        const [username, password] = Object.entries(outputs.users)[0]!;
        const client = await mqtt.connectAsync({
            ...{ protocol: "mqtts", host: outputs.address, port: outputs.port, ca },
            ...{ servername: outputs.hostname, username, password, reconnectPeriod: 0 },
        });
        await client.endAsync();
    }

    async function assertEndsInMachine({ server, ca }: BrokerOutputs["expiry"]): Promise<void> {
        const { stdout } = await capture([
            ...["docker", "exec", (await project.status()).apps[0]!.machines[0]!.container!],
            ...["cat", "/etc/mosquitto/expiry"],
        ]);
        const seconds = (date: string) => Math.floor(Date.parse(date) / 1000);
        const cas = Object.entries(ca).map(([number, end]) => `ca-${number} ${seconds(end)}\n`);
        assert.equal(stdout, `server ${seconds(server)}\n${cas.join("")}`);
    }

    const commonNames = (pem: string) =>
        certificatesIn(pem).map((one) => new X509Certificate(one).subject);

    it("have their expiry in a file of the machine, for monitoring", () =>
        assertEndsInMachine(first.expiry));

    it("are not signed by a new CA that no client trusts yet", async () => {
        project.configure({ caTrusted: [2], caIssuer: 2 });
        const preview = await project.pulumi(["preview"]);
        assert.notEqual(preview.code, 0);
        assert.match(preview.output, /caTrusted: drops every CA that clients trust now \(1\)/);
    });

    it("are still signed by the old CA while the new one is distributed", async () => {
        both = await upWith({ caTrusted: [1, 2], caIssuer: 1 });
        assert.deepEqual(commonNames(both.caCertificatePem), [
            "CN=appkata-mqtt dev CA",
            "CN=appkata-mqtt dev CA 2",
        ]);
        assert.equal(project.read("certs/dev/rootCA.pem"), both.caCertificatePem);
        assert.ok(both.caCertificatePem.startsWith(first.caCertificatePem));
        for (const ca of certificatesIn(both.caCertificatePem)) await connectTo(both, ca);
        assert.deepEqual(Object.keys(both.expiry.ca), ["1", "2"]);
        await assertEndsInMachine(both.expiry);
    });

    it("do not lose the CA that signed them", async () => {
        project.configure({ caTrusted: [2], caIssuer: 2 });
        const preview = await project.pulumi(["preview"]);
        assert.notEqual(preview.code, 0);
        assert.match(
            preview.output,
            /caTrusted: CA 1 signed the current certificates, .* first caTrusted: \[1, 2\] with/,
        );
        project.configure({ caTrusted: [1, 2] });
    });

    it("are then signed by the new CA, and clients with either CA connect", async () => {
        const outputs = await upWith({ caIssuer: 2 });
        assert.equal(outputs.caCertificatePem, both.caCertificatePem);
        for (const ca of certificatesIn(both.caCertificatePem)) await connectTo(outputs, ca);
        assert.match(outputs.verification, /by each of our 2 CAs/);
    });

    it("end with the new CA only, unknown to a client with the old one", async () => {
        const [oldCa, newCa] = certificatesIn(both.caCertificatePem);
        const outputs = await upWith({ caTrusted: [2] });
        assert.equal(outputs.caCertificatePem, newCa);
        assert.equal(project.read("certs/dev/rootCA.pem"), newCa);
        await connectTo(outputs, newCa!);
        assert.match(await refusal(outputs, oldCa!), /certificate/);
        assert.deepEqual(Object.keys(outputs.expiry.ca), ["2"]);
    });

    it("cause a warning in preview and up before they expire", async () => {
        const { expiry } = await upWith({ certificateValidDays: 2, certificateRenewDays: 1 });
        const day = expiry.server.slice(0, 10);
        const warning = new RegExp(
            `warning: the server certificate ends on ${day}, in 1 day; .pulumi up. renews it from `,
        );
        for (const run of [await project.pulumi(["preview"]), await project.up()]) {
            assert.equal(run.code, 0, run.output);
            assert.match(run.output, warning);
        }
    });

    it("are renewed in time, and cause no more warning", async () => {
        const before = (await project.outputs()).expiry.server;
        project.configure({ certificateValidDays: 3, certificateRenewDays: 2 });
        const preview = await project.pulumi(["preview"]);
        assert.match(preview.output, /in 1 day; .pulumi up. renews it, clients have nothing to do/);
        const { expiry } = await upWith({ expiryWarningDays: 2 });
        assert.ok(expiry.server > before);
        const again = await project.pulumi(["preview", "--expect-no-changes"]);
        assert.equal(again.code, 0, again.output);
        assert.doesNotMatch(again.output, /the server certificate ends/);
    });
});
