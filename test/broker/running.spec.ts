import assert from "node:assert/strict";
import { connect as connectSecure } from "node:tls";
import type { ConnectionOptions } from "node:tls";
import { SERIES } from "../../broker/conf.ts";
import { aclFile } from "../../broker/acl.ts";
import { capture } from "../../toolchain/process.ts";
import { VERIFIER, VERIFIER_ACCESS } from "../../verification/verifier.ts";
import { verify } from "../../verification/verify.ts";
import { collect, logInTo, openTo } from "../support/brokerClient.ts";
import {
    BrokerContainer,
    buildBroker,
    getFrom,
    givenConf,
    makeVolume,
    passwordLine,
    removeVolume,
} from "../support/brokerContainer.ts";
import { issue, makeAuthority } from "../support/certificates.ts";
import type { Authority } from "../support/certificates.ts";

const HOSTNAME = "appkata-test.fly.dev";
const ADA = { username: "ada", password: "ada's own password", servername: HOSTNAME };
const NOTHING = { read: [], write: [], readWrite: [], deny: [] };
const SECRETS = {
    MOSQUITTO_SERVER_KEY: "c2VjcmV0IGtleQ==",
    MOSQUITTO_PASSWORD_FILE: "c2VjcmV0IHBhc3N3b3Jkcw==",
};
/** What no line of a healthy broker's log has; sqlite counts its failures, of which there are 0. */
const TROUBLE = /warn|error|deprecat|unable|denied|fail(?!ed\))|[1-9]\d* failed/i;

for (const series of SERIES) {
    describe(`broker on Mosquitto ${series}`, function () {
        this.timeout(60_000);
        let image: string;
        let authority: Authority;
        let files: Record<string, string>;
        const containers: BrokerContainer[] = [];
        const volumes: string[] = [];

        before(async () => {
            image = await buildBroker(series);
            authority = await makeAuthority();
            const certificate = await issue(authority, [HOSTNAME]);
            files = {
                "/run/appkata/server.crt": certificate.chain,
                "/run/appkata/server.key": certificate.key,
                "/run/appkata/passwd":
                    passwordLine(ADA.username, ADA.password) + passwordLine(VERIFIER, ADA.password),
                "/run/appkata/acl": aclFile({
                    users: [{ ...NOTHING, name: ADA.username, everything: true }],
                    everyone: NOTHING,
                    internal: [VERIFIER_ACCESS],
                }),
                ...givenConf(),
            };
        });

        afterEach(async () => {
            for (const container of containers.splice(0)) await container.remove();
            for (const volume of volumes.splice(0)) await removeVolume(volume);
        });

        async function start(
            more: { volume?: string; files?: Record<string, string> } = {},
        ): Promise<BrokerContainer> {
            const broker = await BrokerContainer.create({ image, env: SECRETS, files, ...more });
            containers.push(broker);
            await broker.start();
            return broker;
        }

        async function newVolume(): Promise<string> {
            const volume = await makeVolume();
            volumes.push(volume);
            return volume;
        }

        it("passes the verification", async () => {
            const broker = await start();
            const steps = await verify({
                address: "127.0.0.1",
                port: await broker.port(),
                hostname: HOSTNAME,
                caPem: authority.pem,
                tls: "broker" as const,
                verifier: { username: VERIFIER, password: ADA.password },
                users: { [ADA.username]: ADA.password },
                deadlineSeconds: 10,
            });
            assert.deepEqual(
                steps.filter(({ ok }) => !ok).map(({ text }) => text),
                [],
            );
            assert.equal(steps.length, 8);
        });

        it("logs no warning from start to stop", async () => {
            const broker = await start();
            const client = await logInTo(broker, authority, ADA);
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

        it("gives the injected files to the broker alone and removes the originals", async () => {
            const broker = await start();
            const listed = await broker.exec(
                ...["find", "/etc/mosquitto", "/run/appkata", "/mosquitto/data"],
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
                assert.ok(!name.startsWith("/run/appkata/"), name);
                if (name.startsWith("/mosquitto/data/")) {
                    assert.equal(owner, "600 mosquitto:mosquitto", name);
                }
            }
            const others = [...owners].filter(([name]) => !name.startsWith("/mosquitto/data/"));
            assert.equal(others.length, 9, listed);
        });

        it("takes a volume of root's and leaves its lost+found alone", async () => {
            const volume = await newVolume();
            const prepare = "mkdir /v/lost+found /v/deep; chmod 700 /v/lost+found; chown -R 0:0 /v";
            const program = ["--entrypoint", "sh", image, "-c", prepare];
            const made = await capture(["docker", "run", "--rm", "-v", `${volume}:/v`, ...program]);
            assert.equal(made.code, 0, made.stderr);
            const broker = await start({ volume });
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
            const broker = await start();
            const beside = ["--pid", `container:${broker.container.id}`, "--cap-add", "SYS_PTRACE"];
            const look =
                "cat /proc/1/environ; echo; cat /proc/1/cmdline; grep Umask /proc/1/status";
            const program = ["--entrypoint", "sh", image, "-c", look];
            const seen = await capture(["docker", "run", "--rm", ...beside, ...program]);
            assert.equal(seen.code, 0, seen.stderr);
            assert.equal(
                seen.stdout.replaceAll("\0", " "),
                "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \n" +
                    "/usr/sbin/mosquitto -c /etc/mosquitto/mosquitto.conf Umask:\t0077\n",
            );
        });

        it("speaks TLS 1.2 and 1.3 and refuses 1.1", async () => {
            const broker = await start();
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

        describe("data", () => {
            const COUNT = 10;
            const DEVICE = { ...ADA, clientId: "device", clean: false };

            /** Leaves retained messages, and QoS 1 messages queued for a session that is away. */
            async function fill(broker: BrokerContainer): Promise<void> {
                const device = await logInTo(broker, authority, DEVICE);
                await device.subscribeAsync("queued/#", { qos: 1 });
                await device.endAsync();
                const sender = await logInTo(broker, authority, ADA);
                for (let i = 0; i < COUNT; i++) {
                    await sender.publishAsync(`kept/${i}`, `k${i}`, { qos: 1, retain: true });
                    await sender.publishAsync(`queued/${i}`, `q${i}`, { qos: 1 });
                }
                await sender.endAsync();
            }

            async function expectAll(broker: BrokerContainer): Promise<void> {
                const expected = (name: string) =>
                    Array.from({ length: COUNT }, (_, i) => `${name}/${i}=${name[0]}${i}`);
                const lines = (map: Map<string, string>) =>
                    [...map].map(([topic, payload]) => `${topic}=${payload}`).sort();
                const reader = await logInTo(broker, authority, ADA);
                const kept = collect(reader, COUNT);
                await reader.subscribeAsync("kept/#", { qos: 1 });
                assert.deepEqual(lines(await kept), expected("kept"));
                await reader.endAsync();
                // The queue comes with the session, before anything is asked for.
                const device = await openTo(broker, authority, DEVICE);
                const queued = collect(device, COUNT);
                assert.deepEqual(lines(await queued), expected("queued"));
                await device.endAsync();
            }

            it("is there for a new container after a stop", async () => {
                const volume = await newVolume();
                const first = await start({ volume });
                await fill(first);
                assert.equal(await first.stop(), 0);
                await first.remove();
                containers.length = 0;
                await expectAll(await start({ volume }));
            });

            it("is there after SIGKILL, for a second start of the container too", async () => {
                const volume = await newVolume();
                const broker = await start({ volume });
                await fill(broker);
                // The promise is about what is older than one second.
                await new Promise((resolve) => setTimeout(resolve, 1000));
                await broker.kill();
                await broker.start();
                await expectAll(broker);
                assert.doesNotMatch(await broker.log(), TROUBLE);
            });
        });

        describe("start", () => {
            it("takes new files in place of installed ones", async () => {
                const broker = await start();
                await broker.stop();
                const renewed = "new password";
                const changed = { "/run/appkata/passwd": passwordLine(ADA.username, renewed) };
                await broker.put(changed);
                await broker.start();
                const client = await logInTo(broker, authority, { ...ADA, password: renewed });
                await client.endAsync();
            });

            for (const name of [
                ...["server.crt", "server.key", "passwd", "acl"],
                `mosquitto-${series}.conf`,
            ]) {
                it(`fails naming ${name} when it is missing or empty`, async () => {
                    const file = `/run/appkata/${name}`;
                    const missing = { ...files };
                    delete missing[file];
                    const without = await start({ files: missing });
                    assert.equal(await without.log(), `broker: ${file} is missing\n`);
                    assert.equal(await without.exitCode(), 78);
                    const empty = await start({ files: { ...files, [file]: "" } });
                    assert.equal(await empty.log(), `broker: ${file} is empty\n`);
                    assert.equal(await empty.exitCode(), 78);
                });
            }
        });

        /** The protocol and cipher of a TLS handshake, or the error's code. */
        async function handshake(broker: BrokerContainer, how: ConnectionOptions): Promise<string> {
            const port = await broker.port();
            return new Promise((resolve) => {
                const options = { host: "127.0.0.1", port, ca: authority.pem, ...how };
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
