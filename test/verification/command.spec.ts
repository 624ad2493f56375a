// core
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { capture } from "../../lib/process.ts";
import type { Captured } from "../../lib/process.ts";
import { issue, makeAuthority } from "../../dev/harness/certificates.ts";
import type { Authority } from "../../dev/harness/certificates.ts";
import { FaultyBroker } from "../support/faultyBroker.ts";

const MAIN = path.join(import.meta.dirname, "../../verification/main.ts");
const HOSTNAME = "appkata-test.fly.dev";

describe("node verification/main.ts", () => {
    const password = randomBytes(9).toString("base64url");
    let authority: Authority;
    let broker: FaultyBroker;

    before(async () => {
        authority = await makeAuthority();
        broker = await FaultyBroker.start({
            certificate: await issue(authority, [HOSTNAME]),
            users: { verifier: password, ada: password },
        });
    });

    after(() => broker.close());

    function runWith(variables: Record<string, string | undefined>, input = ""): Promise<Captured> {
        const env: NodeJS.ProcessEnv = {
            PATH: process.env.PATH,
            MQTT_ADDRESS: "127.0.0.1",
            MQTT_PORT: String(broker.port),
            MQTT_HOSTNAME: HOSTNAME,
            MQTT_CA_PEM: authority.pem,
            MQTT_USERNAME: "verifier",
            MQTT_PASSWORD: password,
            MQTT_DEADLINE_SECONDS: "1",
            ...variables,
        };
        return capture([process.execPath, MAIN], { env, input });
    }

    it("prints a line with a duration for each step and ends with 0", async () => {
        const ended = await runWith({});
        assert.equal(ended.code, 0, ended.stderr);
        const lines = ended.stdout.trimEnd().split("\n");
        assert.equal(lines.length, 7);
        for (const line of lines) assert.match(line, /^ok +\d+ ms {2}[\w ]+ - \S/);
        assert.equal(ended.stderr, "");
    });

    it("reads the users as JSON and logs in as each", async () => {
        const users = [
            { user: "ada", password },
            { user: "grace", password: "unknown" },
        ];
        const ended = await runWith({}, JSON.stringify({ users, userCount: 2, former: [] }));
        assert.equal(ended.code, 1);
        assert.match(ended.stdout, /^ok +\d+ ms {2}login - ada logged in$/m);
        assert.match(ended.stderr, /^FAILED +\d+ ms {2}login - expected grace to be let in, saw: /);
    });

    it("exits with 1 and reports what was expected and seen", async () => {
        const ended = await runWith({ MQTT_PASSWORD: "not-this-one" });
        assert.equal(ended.code, 1);
        assert.match(
            ended.stderr,
            /^FAILED +\d+ ms {2}round trip - expected verifier to be let in, saw: refused: not authorized$/m,
        );
    });

    it("never prints a password", async () => {
        const outputs = await Promise.all([
            runWith({}),
            runWith({ MQTT_HOSTNAME: "other.fly.dev" }),
            runWith({ MQTT_PASSWORD: `${password}x` }),
            runWith({}, `{"ada": "${password}"`),
            runWith({}, `["${password}"]`),
            runWith({}, JSON.stringify({ users: [], former: [{ user: "ada", password }] })),
            runWith({ MQTT_PORT: "1" }),
        ]);
        for (const { stdout, stderr } of outputs) {
            assert.ok(stdout.length + stderr.length > 0);
            assert.ok(!`${stdout}${stderr}`.includes(password));
        }
    });

    it("names every variable that is missing or invalid", async () => {
        const ended = await runWith(
            { MQTT_ADDRESS: undefined, MQTT_PORT: "70000", MQTT_CA_PEM: "" },
            "[]",
        );
        assert.equal(ended.code, 1);
        assert.equal(ended.stdout, "");
        assert.match(ended.stderr, /standard input must be JSON with lists of users and former/);
        assert.match(ended.stderr, /MQTT_ADDRESS is not set/);
        assert.match(ended.stderr, /MQTT_PORT must be a number from 1 to 65535, not "70000"/);
        assert.match(ended.stderr, /MQTT_CA_PEM is not set/);
        assert.equal(ended.stderr.trimEnd().split("\n").length, 1, "in one line");
    });

    it("trusts public CAs and not ours if Fly's edge terminates TLS", async () => {
        const ours = await makeAuthority("Ours");
        const dir = mkdtempSync(path.join(tmpdir(), "appkata-verify-"));
        const file = path.join(dir, "public-ca.pem");
        writeFileSync(file, authority.pem);
        try {
            // A certificate signed by a CA that the system trusts.
            const edge = { MQTT_TLS: "edge", NODE_EXTRA_CA_CERTS: file };
            const ended = await runWith({ ...edge, MQTT_CA_PEM: ours.pem });
            assert.equal(ended.code, 0, ended.stderr);
            assert.match(ended.stdout, /by a public CA, until/);
            assert.match(ended.stdout, /trusts our CA alone refuses Fly's certificate/);
            // A certificate signed by ours, as if Fly had passed TLS on to the broker.
            const own = await runWith({ MQTT_TLS: "edge" });
            assert.equal(own.code, 1);
            assert.match(own.stderr, /signed by a public CA and valid, saw: .*the CA did not sign/);
            // With both CAs trusted: our CA has signed what only a public one may.
            const both = await runWith(edge);
            assert.equal(both.code, 1);
            assert.match(both.stderr, /other CA - expected .*, saw: it trusts the server/);
        } finally {
            rmSync(dir, { recursive: true });
        }
    });

    it("fails if WebSockets are declared but not served", async () => {
        const port = String(broker.port);
        const ended = await runWith({ MQTT_WEBSOCKETS: "broker", MQTT_WEBSOCKETS_PORT: port });
        assert.equal(ended.code, 1);
        assert.match(ended.stderr, /^FAILED +\d+ ms {2}WebSocket - expected .* over wss on port/m);
        assert.match(ended.stderr, /^FAILED +\d+ ms {2}WebSocket without password - expected/m);
        const wrong = await runWith({ MQTT_WEBSOCKETS: "on", MQTT_TLS: "none" });
        assert.match(wrong.stderr, /MQTT_WEBSOCKETS must be one of off, edge, broker, not "on"/);
        assert.match(wrong.stderr, /MQTT_TLS must be one of broker, edge, not "none"/);
    });

    it("reports a CA that is not a certificate", async () => {
        const ended = await runWith({ MQTT_CA_PEM: "not a certificate" });
        assert.equal(ended.code, 1);
        assert.match(ended.stderr, /tls - expected .* saw: /);
    });
});
