import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import mqtt from "mqtt";
import { ensureBrowser } from "../../dev/toolchain/testTools.ts";
import { BASE_IMAGES } from "../../dev/harness/brokerContainer.ts";
import { runPage } from "../support/browser.ts";
import { issue, makeAuthority } from "../../dev/harness/certificates.ts";
import type { BrokerOutputs } from "../../config/outputs.ts";
import { Project } from "../../dev/harness/project.ts";

const WSS_PORT = 10443;

/**
 * Fly's edge terminates TLS, reached over the shared IPv4 only; then WebSockets use the broker's certificate.
 */
describe("TLS at Fly's edge, and WebSockets", function () {
    this.timeout(180_000);
    this.bail(true);
    let project: Project;
    let outputs: BrokerOutputs;

    before(async () => {
        await ensureBrowser();
        project = await Project.make({
            baseImage: "eclipse-mosquitto:2.0.22",
            tls: "edge",
            webSockets: "edge",
            webSocketsPort: WSS_PORT,
            ipv4: false,
            ipv6: false,
            sharedIpv4: true,
            connectBy: "hostname",
            hostnames: ["mqtt.example.com"],
        });
    });
    after(async () => {
        await project.remove();
    });

    async function publicCa(): Promise<string> {
        const { publicCaFile } = await project.status();
        return readFileSync(publicCaFile, "utf8");
    }

    async function certificatesAtFly(): Promise<{ name: string; acme: boolean }[]> {
        const answer = await project.fly("GET", `/apps/${outputs.appName}/certificates`);
        const { certificates } = (await answer.json()) as {
            certificates: { hostname: string; acme_requested: boolean }[];
        };
        return certificates.map((one) => ({ name: one.hostname, acme: one.acme_requested }));
    }

    function client(ca: string, more: mqtt.IClientOptions): Promise<mqtt.MqttClient> {
        const [username, password] = Object.entries(outputs.users)[0]!;
        const servername = outputs.hostname;
        const wsOptions = { ca, servername, headers: { host: servername } };
        const tls = more.protocol === "wss" ? { path: "/mqtt", wsOptions } : { ca, servername };
        const host = outputs.address;
        const connected = mqtt.connect({
            ...{ host, username, password, reconnectPeriod: 0 },
            ...tls,
            ...more,
        });
        return new Promise((resolve, reject) => {
            connected.once("connect", () => resolve(connected));
            connected.once("error", (error) => {
                connected.end(true);
                reject(error);
            });
        });
    }

    /** Sends a message from one client to another. */
    async function passes(from: mqtt.MqttClient, to: mqtt.MqttClient): Promise<void> {
        await to.subscribeAsync("edge/test", { qos: 1 });
        const came = new Promise<string>((resolve) =>
            to.once("message", (_topic, payload) => resolve(payload.toString())),
        );
        await from.publishAsync("edge/test", "across", { qos: 1 });
        assert.equal(await came, "across");
        await Promise.all([from.endAsync(), to.endAsync()]);
    }

    /** Text that a real browser shows for the test's page. */
    async function browserGetsIn(): Promise<void> {
        const [username, password] = Object.entries(outputs.users)[0]!;
        const { webSocketUrl: url, address } = outputs;
        const page = { url: url!, address, username, topic: "edge/page", payload: "from a page" };
        assert.equal(await runPage({ ...page, password }), "received from a page from edge/page");
        assert.match(await runPage({ ...page, password: "wrong" }), /^error: .*[Nn]ot authorized/);
    }

    it("deploy and verify with a public certificate, over the shared IPv4", async () => {
        outputs = await project.deploy();
        const { apps } = await project.status();
        assert.deepEqual(apps[0]!.addresses, [{ ip: outputs.address, type: "shared_v4" }]);
        assert.match(outputs.verification, /for \S+, by a public CA, until/);
        assert.match(outputs.verification, /trusts our CA alone refuses Fly's certificate/);
        assert.match(outputs.verification, /got a message back over wss on port 10443/);
        assert.equal(outputs.webSocketUrl, `wss://${outputs.hostname}:10443/mqtt`);
        for (const command of [outputs.subscribeCommand, outputs.publishCommand]) {
            assert.ok(command.includes(" --tls-use-os-certs"), command);
            assert.ok(!command.includes("--cafile"), command);
        }
    });

    it("request Fly's certificate for a custom host name, and print the DNS records it needs", async () => {
        const { status, records } = outputs.edgeHostnames!["mqtt.example.com"]!;
        assert.equal(status, "pending_validation");
        assert.equal(records[0], `mqtt.example.com A ${outputs.address}`);
        assert.match(records[1]!, /^_acme-challenge\.mqtt\.example\.com CNAME \S+\.flydns\.net$/);
        assert.match(records[2]!, /^_fly-ownership\.mqtt\.example\.com TXT app-\S+$/);
        assert.equal(records.length, 3);
        const preview = await project.pulumi(["preview", "--expect-no-changes"]);
        assert.equal(preview.code, 0, preview.output);
        assert.match(
            preview.output,
            /no certificate for mqtt\.example\.com yet \(pending_validation\)/,
        );
        assert.deepEqual(await certificatesAtFly(), [{ name: "mqtt.example.com", acme: true }]);
    });

    it("show at a refresh that the certificate has been issued", async () => {
        // Fly issues it once DNS points there, which it cannot here; an uploaded one is active too.
        const { chain, key } = await issue(await makeAuthority(), ["mqtt.example.com"]);
        const body = { hostname: "mqtt.example.com", fullchain: chain, private_key: key };
        const path = `/apps/${outputs.appName}/certificates/custom`;
        assert.equal((await project.fly("POST", path, body)).status, 201);
        const up = await project.pulumi(["up", "--yes", "--skip-preview", "--refresh"]);
        assert.equal(up.code, 0, up.output);
        assert.doesNotMatch(up.output, /no certificate for/);
        outputs = await project.outputs();
        assert.equal(outputs.edgeHostnames!["mqtt.example.com"]!.status, "active");
    });

    it("print changed DNS records after an address was added or removed", async () => {
        const [first, ...others] = outputs.edgeHostnames!["mqtt.example.com"]!.records;
        for (const ipv6 of [true, false]) {
            project.configure({ ipv6 });
            const up = await project.up();
            assert.equal(up.code, 0, up.output);
            const { records } = (await project.outputs()).edgeHostnames!["mqtt.example.com"]!;
            const { addresses } = (await project.status()).apps[0]!;
            const v6 = addresses.filter(({ type }) => type === "v6").map(({ ip }) => ip);
            assert.equal(v6.length, ipv6 ? 1 : 0);
            const came = v6.map((ip) => `mqtt.example.com AAAA ${ip}`);
            assert.deepEqual(records, [first, ...came, ...others]);
        }
    });

    it("admit a client that trusts public CAs, over MQTT and WebSockets", async () => {
        const ca = await publicCa();
        const tcp = await client(ca, { protocol: "mqtts", port: 10000, ALPNProtocols: ["mqtt"] });
        await passes(tcp, await client(ca, { protocol: "wss", port: WSS_PORT }));
        for (const to of [
            { protocol: "mqtts", port: 10000 },
            { protocol: "wss", port: WSS_PORT },
        ] as const) {
            await assert.rejects(client(outputs.caCertificatePem, to), /certificate/);
            await assert.rejects(client(ca, { ...to, password: "wrong" }), /[Nn]ot authorized/);
        }
    });

    it("have commands that work unchanged where the host name resolves", async function () {
        if (process.getuid?.() !== 0) this.skip();
        const { publicCaFile } = await project.status();
        const hosts = path.join(project.dir, "hosts");
        writeFileSync(hosts, `${outputs.address} ${outputs.hostname}\n`);
        const inPlace = 'mount --bind "$HOSTS" /etc/hosts && echo hello | eval "$COMMAND"';
        const run = await project.shell(["unshare", "--mount", "sh", "-c", inPlace], {
            HOSTS: hosts,
            COMMAND: outputs.publishCommand,
            SSL_CERT_FILE: publicCaFile,
        });
        assert.equal(run.code, 0, run.output);
    });

    it("admit a browser with its user's password only", () => browserGetsIn());

    it("pass npm run verify", async () => {
        const run = await project.npm("verify");
        assert.equal(run.code, 0, run.output);
        assert.match(run.output, /over wss on port 10443/);
    });

    it("listen for the edge only, and every listener requires a login", async () => {
        const { apps } = await project.status();
        const { container } = apps[0]!.machines[0]!;
        const conf = await project.shell([
            "docker",
            "exec",
            container!,
            "cat",
            "/etc/mosquitto/mosquitto.conf",
        ]);
        const listeners = conf.output.split(/^(?=listener )/m).slice(1);
        assert.deepEqual(
            listeners.map((text) => text.split("\n")[0]),
            ["listener 1884 0.0.0.0", "listener 9001 0.0.0.0", "listener 0 /run/broker/socket"],
        );
        assert.deepEqual(conf.output.match(/^.*allow_anonymous.*$/gm), ["allow_anonymous false"]);
        // The private network is IPv6 only: nothing without TLS may listen there.
        const ports = async (file: string) => {
            const cat = await project.shell(["docker", "exec", container!, "cat", file]);
            assert.equal(cat.code, 0, cat.output);
            const lines = cat.stdout.matchAll(/^\s*\d+: [0-9A-F]+:([0-9A-F]{4}) \S+ 0A /gm);
            return [...lines].map(([, port]) => parseInt(port!, 16)).filter((port) => port < 9883);
        };
        assert.deepEqual((await ports("/proc/net/tcp")).toSorted(), [1884, 9001]);
        assert.deepEqual(await ports("/proc/net/tcp6"), []);
    });

    it("change to MQTT and WebSockets with the broker's own certificate", async () => {
        project.configure({
            tls: undefined,
            webSockets: "broker",
            sharedIpv4: undefined,
            ipv4: true,
        });
        const up = await project.up();
        assert.equal(up.code, 0, up.output);
        const before = outputs;
        outputs = await project.outputs();
        assert.equal(outputs.machineId, before.machineId);
        assert.equal(outputs.edgeHostnames, undefined);
        // Our certificate is gone; the uploaded one stays.
        assert.deepEqual(await certificatesAtFly(), [{ name: "mqtt.example.com", acme: false }]);
        assert.equal(outputs.caCertificatePem, before.caCertificatePem);
        const { apps } = await project.status();
        assert.deepEqual(apps[0]!.addresses, [{ ip: outputs.address, type: "v4" }]);
        const ca = outputs.caCertificatePem;
        const tcp = await client(ca, { protocol: "mqtts", port: 10000 });
        await passes(tcp, await client(ca, { protocol: "wss", port: WSS_PORT }));
        const to = { protocol: "wss", port: WSS_PORT } as const;
        await assert.rejects(client(await publicCa(), to), /certificate/);
        await assert.rejects(client(ca, { ...to, password: "wrong" }), /[Nn]ot authorized/);
        await browserGetsIn();
    });

    it("change to Mosquitto 2.1 behind the edge, without WebSockets", async () => {
        project.configure({ baseImage: BASE_IMAGES["2.1"], tls: "edge" });
        const before = await project.outputs();
        const refused = await project.up();
        assert.notEqual(refused.code, 0, refused.output);
        assert.match(refused.output, /nothing was changed:.*webSockets: must be off unless /s);
        assert.deepEqual(await project.outputs(), before);
        project.configure({
            webSockets: undefined,
            webSocketsPort: undefined,
            hostnames: undefined,
        });
        const up = await project.up();
        assert.equal(up.code, 0, up.output);
        outputs = await project.outputs();
        assert.equal(outputs.webSocketUrl, undefined);
        assert.notEqual(outputs.imageDigest, before.imageDigest);
        const container = (await project.status()).apps[0]!.machines[0]!.container!;
        const log = await project.shell(["docker", "logs", container]);
        assert.match(log.output, / mosquitto version 2\.1\.\d+ running$/m);
        const to = { protocol: "mqtts", port: 10000 } as const;
        await passes(await client(await publicCa(), to), await client(await publicCa(), to));
    });
});
