// core
import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { existsSync, readFileSync, readdirSync } from "node:fs";
import { connect as connectTcp } from "node:net";
import path from "node:path";
import { capture } from "../../lib/process.ts";
import { BASE_IMAGES } from "../../dev/harness/brokerContainer.ts";
import { SECRET, searchLayers } from "../support/imageLayers.ts";
import type { BrokerOutputs } from "../../config/outputs.ts";
import { Project, type Run, type Status } from "../../dev/harness/project.ts";
import { secretsIn } from "../support/secrets.ts";

interface Entry {
    method: string;
    path: string;
    status: number;
}

/** The main job, step by step, on one project: each test continues from the one before. */
describe("npm run local", function () {
    this.timeout(180_000);
    this.bail(true);
    let project: Project;
    let first: Run;
    let second: Run;
    let outputs: BrokerOutputs;
    let status: Status;
    let firstRequests: Entry[];

    const journal = async () =>
        (await project.admin<{ entries: Entry[] }>("GET", "journal")).entries.filter((entry) =>
            entry.path.startsWith("/v1/"),
        );

    before(async () => {
        project = await Project.make();
    });
    after(async () => {
        await project.remove();
    });

    it("ends with a broker that a real client has used", async () => {
        first = await project.npm("local");
        assert.equal(first.code, 0, first.output);
        firstRequests = await journal();
        outputs = await project.outputs();
        status = await project.status();
    });

    it("says which toolchain is in use", () => {
        assert.match(first.output, /^In use: Pulumi v3\.\d+\.\d+ \(.+\), .*plugins/m);
    });

    it("has the documented outputs", () => {
        assert.deepEqual(Object.keys(outputs).toSorted(), [
            "address",
            "appName",
            "caCertificatePem",
            "clientIds",
            "expiry",
            "hostname",
            "imageDigest",
            "machineId",
            "port",
            "publishCommand",
            "subscribeCommand",
            "tls",
            "url",
            "users",
            "verification",
            "verificationLogins",
            "verifier",
            "volumeId",
            "webSockets",
        ]);
        assert.match(outputs.appName, /^appkata-mqtt-dev-[a-z0-9]{6}$/);
        assert.equal(outputs.hostname, `${outputs.appName}.fly.dev`);
        assert.equal(outputs.port, 10000);
        assert.equal(outputs.url, `mqtts://${outputs.hostname}:10000`);
        assert.match(outputs.imageDigest, /^sha256:[0-9a-f]{64}$/);
        assert.deepEqual(Object.keys(outputs.users), ["tester"]);
        assert.equal(outputs.verification.split("\n").filter((l) => l.startsWith("ok")).length, 8);
    });

    it("keeps the secret outputs secret", async () => {
        const shown = await project.outputs(false);
        for (const name of ["users", "verifier", "subscribeCommand", "publishCommand"] as const) {
            assert.equal(shown[name], "[secret]", name);
        }
    });

    it("creates one app, one machine and one volume at Fly, as the outputs name them", () => {
        assert.equal(status.apps.length, 1);
        const [app] = status.apps;
        assert.equal(app!.name, outputs.appName);
        assert.deepEqual(app!.addresses.map(({ type }) => type).toSorted(), ["v4", "v6"]);
        assert.ok(app!.addresses.some(({ ip }) => ip === outputs.address));
        assert.deepEqual(
            app!.machines.map(({ id, state }) => ({ id, state })),
            [{ id: outputs.machineId, state: "started" }],
        );
        assert.deepEqual(
            app!.volumes.map(({ id }) => id),
            [outputs.volumeId],
        );
    });

    it("needs at most 17 requests to the Machines API, two of them for the final check of the app", () => {
        const lines = firstRequests.map(
            ({ method, path, status }) => `${method} ${path} ${status}`,
        );
        assert.ok(lines.length <= 17, `${lines.length} requests:\n${lines.join("\n")}`);
    });

    it("creates a CA that can only sign, and a server certificate for host name and addresses", async () => {
        const ca = new X509Certificate(outputs.caCertificatePem);
        assert.equal(ca.ca, true);
        assert.deepEqual(ca.publicKey.asymmetricKeyDetails?.namedCurve, "prime256v1");
        const text = await capture([
            ...["openssl", "s_client", "-connect", `${outputs.address}:${outputs.port}`],
            ...["-servername", outputs.hostname, "-showcerts"],
        ]);
        const server = new X509Certificate(
            /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/.exec(text.stdout)![0],
        );
        assert.ok(server.verify(ca.publicKey));
        assert.ok(server.checkHost(outputs.hostname));
        assert.ok(server.checkIP(outputs.address));
        assert.equal(server.ca, false);
        const usage = await capture([
            "openssl",
            "x509",
            "-noout",
            "-ext",
            "keyUsage",
            "-in",
            caFile(),
        ]);
        assert.match(usage.stdout, /Key Usage: critical\s+Certificate Sign, CRL Sign\s*$/);
    });

    const caFile = () => path.join(project.dir, "certs/dev/rootCA.pem");

    it("prints commands that work with the distribution's clients", async () => {
        await roundTrip(outputs.subscribeCommand, outputs.publishCommand);
    });

    it("ends its screen with commands that work when pasted, and contain no password", async () => {
        const lines = first.output.split("\n").map((line) => line.trim());
        const subscribe = lines.find((line) => line.startsWith("mosquitto_sub "))!;
        const publish = lines.find((line) => line.startsWith("mosquitto_pub "))!;
        assert.ok(!first.output.includes(outputs.users.tester!));
        await roundTrip(subscribe, publish, "/");
    });

    /** Subscribes with one command until the other's message arrives. */
    async function roundTrip(subscribe: string, publish: string, cwd = project.dir) {
        const script = `
            cd ${cwd}
            ${subscribe} -C 1 > "$OUT" & sub=$!
            for try in 1 2 3 4 5 6 7 8 9 10; do
                echo "hello from the shell" | ${publish} || exit 1
                sleep 1
                kill -0 $sub 2>/dev/null || break
            done
            wait $sub`;
        const out = path.join(project.dir, ".local", "received");
        const run = await project.shell(["sh", "-c", script], { OUT: out });
        assert.equal(run.code, 0, run.output);
        assert.equal(readFileSync(out, "utf8"), "hello from the shell\n");
    }

    it("changes nothing when run again, and sends Fly no change", async () => {
        await project.admin("DELETE", "journal");
        second = await project.npm("local");
        assert.equal(second.code, 0, second.output);
        assert.match(second.output, /^ {4}\d+ unchanged$/m);
        assert.doesNotMatch(second.output, /^ {4}[+~-]\d/m);
        // It lists the machine's data folder, by a POST that changes nothing.
        const posted = (await journal()).filter(({ method }) => method !== "GET");
        assert.deepEqual(
            posted.map(({ method, path }) => `${method} ${path}`),
            [`POST /v1/apps/${outputs.appName}/machines/${outputs.machineId}/exec`],
        );
        assert.deepEqual(await project.outputs(), outputs);
    });

    it("previews no change", async () => {
        const preview = await project.pulumi(["preview", "--expect-no-changes", "--diff"]);
        assert.equal(preview.code, 0, preview.output);
    });

    it("refreshes without a change", async () => {
        const refresh = await project.pulumi(["refresh", "--yes", "--expect-no-changes"]);
        assert.equal(refresh.code, 0, refresh.output);
    });

    it("passes npm run verify", async () => {
        const verify = await project.npm("verify");
        assert.equal(verify.code, 0, verify.output);
        assert.equal(verify.stdout.split("\n").filter((line) => line.startsWith("ok")).length, 8);
    });

    it("leaves no secret readable", async () => {
        const secrets = await secretsIn(project, outputs, status.token);
        const preview = await project.pulumi(["preview", "--diff"]);
        const places: Record<string, string> = {
            "output of npm run local": first.output,
            "output of the second npm run local": second.output,
            "output of preview": preview.output,
            "local Fly's log": project.read(".local/fly/log"),
            "stack file": project.read("Pulumi.dev.yaml"),
        };
        if (existsSync(path.join(project.dir, ".local/fly/server.log"))) {
            places["local Fly's own output"] = project.read(".local/fly/server.log");
        }
        const pulumi = path.join(project.dir, ".local", "pulumi");
        for (const file of readdirSync(pulumi, { recursive: true, withFileTypes: true })) {
            if (!file.isFile()) continue;
            const name = path.join(file.parentPath, file.name);
            places[`state: ${name}`] = readFileSync(name, "utf8");
        }
        const container = status.apps[0]!.machines[0]!.container!;
        const broker = await capture([
            ...["docker", "exec", container, "sh", "-c"],
            "for f in /proc/[0-9]*/cmdline; do grep -q ^/usr/sbin/mosquitto $f && cat $f ${f%cmdline}environ; done",
        ]);
        assert.match(broker.stdout, /mosquitto\.conf/);
        places["broker's environment and command line"] = broker.stdout;
        const log = await capture(["docker", "logs", container]);
        places["broker's log"] = log.stdout + log.stderr;
        const image = `${status.registry}/${outputs.appName}@${outputs.imageDigest}`;
        const history = await capture(["docker", "history", "--no-trunc", image]);
        assert.match(history.stdout, /broker-entrypoint/);
        places["image history"] = history.stdout;
        for (const [place, text] of Object.entries(places)) {
            for (const [name, secret] of Object.entries(secrets)) {
                assert.ok(!text.includes(secret), `${name} is in the ${place}`);
            }
            assert.ok(!/-----BEGIN [A-Z ]*PRIVATE KEY-----/.test(text), `a key is in the ${place}`);
        }
        const known = Object.values(secrets);
        const { names, hits } = await searchLayers(
            image,
            BASE_IMAGES["2.1"],
            (content) => SECRET.test(content) || known.some((secret) => content.includes(secret)),
        );
        assert.ok(names.has("usr/local/bin/broker-entrypoint"), [...names].join("\n"));
        assert.deepEqual(hits, []);
    });

    it("runs a broker that logs no warning, as the user mosquitto", async () => {
        const container = status.apps[0]!.machines[0]!.container!;
        const log = await capture(["docker", "logs", container]);
        // Errors logged for the verification's deliberate violations are expected.
        const provoked = /OpenSSL Error|Protocol error|not authorised/;
        const lines = (log.stdout + log.stderr).split("\n").filter((line) => !provoked.test(line));
        assert.ok(lines.some((line) => / mosquitto version .* running$/.test(line)));
        assert.deepEqual(
            lines.filter((line) => /warning|error|deprecated/i.test(line)),
            [],
        );
        const owner = await capture([
            ...["docker", "exec", container, "sh", "-c"],
            "stat -c '%U:%G %a' /etc/mosquitto/certs/server.key /etc/mosquitto/passwd",
        ]);
        assert.equal(owner.stdout, "mosquitto:mosquitto 600\nmosquitto:mosquitto 600\n");
    });

    it("destroys everything at Fly", async () => {
        const destroy = await project.pulumi(["destroy", "--yes"]);
        assert.equal(destroy.code, 0, destroy.output);
        assert.deepEqual((await project.status()).apps, []);
        const left = await capture([
            "docker",
            "ps",
            "-aq",
            "--filter",
            `name=fly-${outputs.appName}-`,
        ]);
        assert.equal(left.stdout, "");
    });

    it("deploys again after that, and npm run local:down leaves nothing", async () => {
        const again = await project.npm("local");
        assert.equal(again.code, 0, again.output);
        const now = await project.status();
        const { appName } = await project.outputs();
        const down = await project.npm("local:down");
        assert.equal(down.code, 0, down.output);
        assert.ok(!existsSync(path.join(project.dir, ".local")));
        assert.ok(!runs(now.pid), "the local Fly's process is left");
        const places = [now.endpoint.replace("http://", ""), now.registry];
        for (const place of [...places, `${now.apps[0]!.addresses[0]!.ip}:10000`]) {
            assert.equal(await listens(place), false, `${place} is still open`);
        }
        for (const kind of [
            ["ps", "-a"],
            ["volume", "ls"],
            ["image", "ls"],
        ]) {
            const { stdout } = await capture(["docker", ...kind]);
            assert.ok(!stdout.includes(appName), `docker ${kind.join(" ")}:\n${stdout}`);
        }
    });

    /** A process that has ended but was not reaped is a zombie: it holds nothing. */
    function runs(pid: number): boolean {
        const stat = `/proc/${pid}/stat`;
        return existsSync(stat) && !/\) Z /.test(readFileSync(stat, "utf8"));
    }

    function listens(place: string): Promise<boolean> {
        const at = place.lastIndexOf(":");
        return new Promise((resolve) => {
            const host = place.slice(0, at);
            const socket = connectTcp({ host, port: Number(place.slice(at + 1)) });
            socket.on("connect", () => (socket.destroy(), resolve(true)));
            socket.on("error", () => resolve(false));
        });
    }
});
