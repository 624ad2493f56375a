// core
import assert from "node:assert/strict";
import { connect as connectSecure } from "node:tls";
import type { ConnectionOptions } from "node:tls";
import { SERIES } from "../../broker/conf.ts";
import { capture } from "../../lib/process.ts";
import { VERIFIER } from "../../verification/verifier.ts";
import { verify } from "../../verification/verify.ts";
import { logInTo } from "../support/brokerClient.ts";
import { type BrokerContainer, getFrom } from "../../dev/harness/brokerContainer.ts";
import { ADA, BrokerFixture, HOSTNAME, TROUBLE } from "../support/brokerFixture.ts";

for (const series of SERIES) {
    describe(`broker on Mosquitto ${series}`, function () {
        this.timeout(60_000);
        const fixture = new BrokerFixture(series);

        it("passes the verification", async () => {
            const broker = await fixture.start();
            const steps = await verify({
                address: "127.0.0.1",
                port: await broker.port(),
                hostname: HOSTNAME,
                caPem: fixture.authority.pem,
                tls: "broker" as const,
                verifier: { username: VERIFIER, password: ADA.password },
                logins: {
                    users: [{ user: ADA.username, password: ADA.password }],
                    userCount: 1,
                    former: [],
                },
                deadlineSeconds: 10,
            });
            assert.deepEqual(
                steps.filter(({ ok }) => !ok).map(({ text }) => text),
                [],
            );
            assert.equal(steps.length, 8);
        });

        it("logs no warning from start to stop", async () => {
            const broker = await fixture.start();
            const client = await logInTo(broker, fixture.authority, ADA);
            await client.subscribeAsync("a/#", { qos: 1 });
            await client.publishAsync("a/b", "c", { qos: 1 });
            await client.endAsync();
            assert.equal((await getFrom(broker, "/health")).status, 200);
            assert.equal(await broker.stop(), 0);
            const lines = (await broker.log()).trimEnd().split("\n");
            assert.ok(lines.some((line) => /New client connected from .* as mqttjs_/.test(line)));
            assert.deepEqual(
                lines.filter((line) => TROUBLE.test(line)),
                [],
            );
            for (const line of lines) assert.match(line, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ: \S/);
            assert.ok(!lines.join("\n").includes(ADA.password));
        });

        it("installs the injected files for the broker only, and removes the originals", async () => {
            const broker = await fixture.start();
            const listed = await broker.exec(
                ...["find", "/etc/mosquitto", "/etc/appkata", "/mosquitto/data"],
                ...["-exec", "stat", "-c", "%a %U:%G %n", "{}", "+"],
            );
            const owners = new Map(
                listed
                    .trimEnd()
                    .split("\n")
                    .map((line) => /^(\d+ \S+) (.*)$/.exec(line)!)
                    .map(([, owner, name]) => [name!, owner!]),
            );
            assert.equal(owners.get("/etc/mosquitto/certs/server.crt"), "600 mosquitto:mosquitto");
            assert.equal(owners.get("/etc/mosquitto/certs/server.key"), "600 mosquitto:mosquitto");
            assert.equal(owners.get("/etc/mosquitto/passwd"), "600 mosquitto:mosquitto");
            assert.equal(owners.get("/etc/mosquitto/acl"), "600 mosquitto:mosquitto");
            assert.equal(owners.get("/etc/mosquitto/mosquitto.conf"), "644 root:root");
            assert.equal(owners.get("/mosquitto/data"), "700 mosquitto:mosquitto");
            for (const [name, owner] of owners) {
                assert.ok(!name.startsWith("/etc/appkata/"), name);
                if (name.startsWith("/mosquitto/data/")) {
                    assert.equal(owner, "600 mosquitto:mosquitto", name);
                }
            }
            const others = [...owners].filter(([name]) => !name.startsWith("/mosquitto/data/"));
            assert.equal(others.length, 10, listed);
        });

        it("takes over a volume owned by root, and leaves its lost+found alone", async () => {
            const volume = await fixture.newVolume();
            const prepare = "mkdir /v/lost+found /v/deep; chmod 700 /v/lost+found; chown -R 0:0 /v";
            const program = ["--entrypoint", "sh", fixture.image, "-c", prepare];
            const made = await capture(["docker", "run", "--rm", "-v", `${volume}:/v`, ...program]);
            assert.equal(made.code, 0, made.stderr);
            const broker = await fixture.start({ volume });
            const stat = [
                "stat",
                "-c",
                "%a %U %n",
                "/mosquitto/data",
                "/mosquitto/data/lost+found",
            ];
            assert.equal(
                await broker.exec(...stat),
                "700 mosquitto /mosquitto/data\n700 root /mosquitto/data/lost+found\n",
            );
        });

        it("keeps the machine's secrets out of the broker's environment and command line", async () => {
            const broker = await fixture.start();
            const beside = ["--pid", `container:${broker.container.id}`, "--cap-add", "SYS_PTRACE"];
            // No other process in the machine has them either.
            const pid = (await broker.exec("cat", "/run/broker.pid")).trim();
            const look =
                `cat /proc/${pid}/environ; echo; cat /proc/${pid}/cmdline; grep Umask /proc/${pid}/status; ` +
                "grep -l MOSQUITTO_ /proc/[0-9]*/environ; true";
            const program = ["--entrypoint", "sh", fixture.image, "-c", look];
            const seen = await capture(["docker", "run", "--rm", ...beside, ...program]);
            assert.equal(seen.code, 0, seen.stderr);
            assert.equal(
                seen.stdout.replaceAll("\0", " "),
                "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \n" +
                    "/usr/sbin/mosquitto -c /etc/mosquitto/mosquitto.conf Umask:\t0077\n",
            );
        });

        it("speaks TLS 1.2 and 1.3 and refuses 1.1", async () => {
            const broker = await fixture.start();
            const accepted = { minVersion: "TLSv1.2", servername: HOSTNAME } as const;
            const with12 = await handshake(broker, { ...accepted, maxVersion: "TLSv1.2" });
            assert.match(with12, /^TLSv1\.2 ECDHE-ECDSA-(AES\d+-GCM|CHACHA20)/);
            const with13 = await handshake(broker, { ...accepted, minVersion: "TLSv1.3" });
            assert.match(with13, /^TLSv1\.3 TLS_/);
            const old = { minVersion: "TLSv1.1", maxVersion: "TLSv1.1" } as const;
            const with11 = await handshake(broker, { ...old, ciphers: "DEFAULT@SECLEVEL=0" });
            assert.equal(with11, "ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION");
            const cbc = { ...accepted, maxVersion: "TLSv1.2", ciphers: "AES128-SHA:ECDHE+AES" };
            const weak = { ...cbc, ciphers: "ECDHE-ECDSA-AES128-SHA:ECDHE-ECDSA-AES256-SHA" };
            assert.match(await handshake(broker, weak as ConnectionOptions), /HANDSHAKE_FAILURE/);
        });

        /** Protocol and cipher of a TLS handshake, or the error's code. */
        async function handshake(broker: BrokerContainer, how: ConnectionOptions): Promise<string> {
            const port = await broker.port();
            return new Promise((resolve) => {
                const options = { host: "127.0.0.1", port, ca: fixture.authority.pem, ...how };
                const socket = connectSecure(options, () => {
                    resolve(`${socket.getProtocol()} ${socket.getCipher().name}`);
                    socket.end();
                });
                socket.on("error", (error: NodeJS.ErrnoException) =>
                    resolve(error.code ?? error.message),
                );
            });
        }
    });
}
