// core
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { SERIES } from "../../broker/conf.ts";
import { collect, logInTo } from "../support/brokerClient.ts";
import { givenConf, passwordLine } from "../support/brokerConf.ts";
import { BrokerContainer, buildBroker } from "../support/brokerContainer.ts";
import { issue, makeAuthority, type Authority } from "../support/certificates.ts";

const HOSTNAME = "appkata-test.fly.dev";
const ADA = { username: "ada", password: "ada's own password", servername: HOSTNAME };
const BOB = { username: "bob", password: "bob's own password", servername: HOSTNAME };

interface Ended {
    code: number | null;
    stdout: string;
    stderr: string;
}

for (const series of SERIES) {
    describe(`broker-files on Mosquitto ${series}`, function () {
        this.timeout(60_000);
        /** The broker's PID. */
        let first: string | undefined;
        let broker: BrokerContainer;
        let authority: Authority;
        let files: Record<string, string>;

        before(async () => {
            const image = await buildBroker(series);
            authority = await makeAuthority();
            const certificate = await issue(authority, [HOSTNAME]);
            files = {
                "server.crt": certificate.chain,
                "server.key": certificate.key,
                passwd: passwordLine(ADA.username, ADA.password),
                acl: "user ada\ntopic readwrite #\nuser bob\ntopic readwrite #\n",
            };
            const given = Object.entries(files).map(([name, text]) => [
                `/run/appkata/${name}`,
                text,
            ]);
            broker = await BrokerContainer.create({
                image,
                files: { ...(Object.fromEntries(given) as typeof files), ...givenConf() },
            });
            await broker.start();
            [first] = await brokers();
        });
        after(() => broker.remove());
        afterEach(async () => {
            const [one, ...more] = await brokers();
            assert.equal(one, first, "the broker goes on");
            assert.deepEqual(more, [], "no second broker is left");
            assert.equal(await broker.exec("find", "/etc/mosquitto", "-name", ".*"), "");
            assert.equal(await broker.exec("find", "/run", "-name", "broker-files*"), "");
        });

        /** PIDs of every process in the machine that is a broker. */
        async function brokers(): Promise<string[]> {
            const script = "grep -l '^mosquitto$' /proc/[0-9]*/comm | cut -d/ -f3 | sort -n";
            return (await broker.exec("sh", "-c", script)).trim().split("\n");
        }

        function run(what: string, stdin: string): Promise<Ended> {
            return new Promise((resolve) => {
                const args = ["exec", "-i", broker.container.id, "broker-files", what];
                const child = spawn("docker", args, { stdio: "pipe" });
                const ended: Ended = { code: null, stdout: "", stderr: "" };
                child.stdout.on("data", (chunk: Buffer) => (ended.stdout += chunk.toString()));
                child.stderr.on("data", (chunk: Buffer) => (ended.stderr += chunk.toString()));
                child.on("close", (code) => resolve({ ...ended, code }));
                child.stdin.end(stdin);
            });
        }

        function lines(given: Record<string, string>): string {
            return Object.entries(given)
                .map(([name, text]) => `${name} ${Buffer.from(text).toString("base64")}\n`)
                .join("");
        }

        const check = (given: Record<string, string>) => run("check", lines(given));
        const apply = (given: Record<string, string>) => run("apply", lines(given));

        async function installed(): Promise<string> {
            return broker.exec(
                "sh",
                "-c",
                "cd /etc/mosquitto; find . -type f | sort | xargs md5sum",
            );
        }

        it("checks good files and changes nothing", async () => {
            const before = await installed();
            const passwd = files.passwd + passwordLine(BOB.username, BOB.password);
            const ended = await check({ ...files, passwd });
            assert.deepEqual(ended, { code: 0, stdout: "", stderr: "" });
            assert.equal(await installed(), before);
            await assert.rejects(logInTo(broker, authority, BOB), /not authorized/i);
        });

        it("applies a new user at once, and nobody is disconnected", async () => {
            const ada = await logInTo(broker, authority, ADA);
            let closed = 0;
            ada.on("close", () => closed++);
            files.passwd += passwordLine(BOB.username, BOB.password);
            assert.deepEqual(await apply(files), { code: 0, stdout: "applied\n", stderr: "" });
            const bob = await logInSoon(BOB);
            const received = collect(ada, 1);
            await ada.subscribeAsync("a", { qos: 1 });
            await bob.publishAsync("a", "b", { qos: 1 });
            assert.deepEqual([...(await received)], [["a", "b"]]);
            assert.equal(closed, 0);
            await bob.endAsync();
            await ada.endAsync();
        });

        /** The broker turns to a signal between packets: a moment after it was sent. */
        async function logInSoon(user: typeof ADA) {
            const deadline = Date.now() + 5000;
            for (;;) {
                try {
                    return await logInTo(broker, authority, user);
                } catch (error) {
                    if (Date.now() > deadline) throw error;
                }
            }
        }

        it("says unchanged when they are, and sends no signal", async () => {
            const log = await broker.log();
            assert.deepEqual(await apply(files), { code: 0, stdout: "unchanged\n", stderr: "" });
            assert.equal((await broker.log()).slice(log.length), "");
        });

        it("takes one file alone", async () => {
            const expiry = "server 1800000000\nca-1 1900000000\nca-12 2000000000\n";
            assert.deepEqual(await apply({ expiry }), { code: 0, stdout: "applied\n", stderr: "" });
            assert.equal(await broker.exec("cat", "/etc/mosquitto/expiry"), expiry);
            const stat = ["stat", "-c", "%a %U:%G", "/etc/mosquitto/expiry"];
            assert.equal(await broker.exec(...stat), "600 mosquitto:mosquitto\n");
        });

        it("takes a renewed certificate for new connections", async () => {
            const renewed = await issue(authority, [HOSTNAME, "mqtt.example.com"]);
            const pair = { "server.crt": renewed.chain, "server.key": renewed.key };
            assert.deepEqual(await apply(pair), { code: 0, stdout: "applied\n", stderr: "" });
            Object.assign(files, pair);
            const ada = await logInSoon({ ...ADA, servername: "mqtt.example.com" });
            await ada.endAsync();
        });

        it("leaves client-ca.crt to a restart where no listener has a revocation list", async () => {
            const before = await installed();
            const ended = await apply({ ...files, "client-ca.crt": authority.pem });
            assert.equal(ended.code, 3);
            assert.equal(
                ended.stderr,
                "broker-files: client-ca.crt is read only when the broker starts\n",
            );
            assert.equal(await installed(), before);
        });

        describe("refuses, with nothing changed,", () => {
            async function refused(given: Record<string, string>, reason: RegExp): Promise<void> {
                const before = await installed();
                for (const what of ["check", "apply"]) {
                    const ended = await run(what, lines(given));
                    assert.equal(ended.code, 1, ended.stderr);
                    assert.equal(ended.stdout, "");
                    assert.match(ended.stderr, reason);
                    for (const secret of Object.values(given)) {
                        for (const line of secret.split("\n").filter((text) => text.length > 16)) {
                            assert.ok(!ended.stderr.includes(line), "no content in what it says");
                        }
                    }
                }
                assert.equal(await installed(), before);
            }

            it("a key of another certificate", async () => {
                const other = await issue(authority, [HOSTNAME]);
                await refused({ "server.key": other.key }, /key|inconsistent/i);
            });

            it("a certificate that is cut off", async () => {
                const cut = files["server.crt"]!.slice(0, 200);
                await refused({ "server.crt": cut }, /certificate/i);
            });

            it("a password line that one of the series cannot read", async () => {
                const long = `eve:$7$100$${Buffer.alloc(16).toString("base64")}$${Buffer.alloc(64).toString("base64")}\n`;
                const form = /passwd: not NAME:\$7\$ITERATIONS\$SALT\$HASH in line 3\n/;
                await refused({ passwd: files.passwd + long }, form);
                await refused({ passwd: `${files.passwd}eve:plain text\n` }, form);
            });

            it("an ACL that the broker cannot read", async () => {
                await refused({ acl: "user ada\ntopic sometimes a\n" }, /acl/i);
            });

            it("a user who is there twice", async () => {
                const twice = passwordLine("bob", "another");
                await refused({ passwd: files.passwd + twice }, /a user is there twice: bob\n/);
            });

            it("what is no file, or none", async () => {
                await refused({ passwd: "" }, /passwd is empty/);
                await refused({}, /no file is given/);
                const ended = await run("check", "passwd %%%\n");
                assert.equal(ended.code, 1);
                assert.match(ended.stderr, /passwd is not base64/);
            });
        });

        it("leaves a file that this image does not know to a restart, perhaps with another image", async () => {
            const before = await installed();
            for (const name of ["mosquitto.conf", "../passwd"]) {
                const ended = await apply({ ...files, [name]: "x" });
                assert.equal(ended.code, 3);
                assert.match(ended.stderr, /this image knows no file /);
            }
            assert.equal(await installed(), before);
        });

        it("does one after another when several are asked for at once", async () => {
            const count = 4;
            const all = await Promise.all(
                Array.from({ length: count }, (_, i) =>
                    apply({ expiry: `server ${1_800_000_000 + i}\n` }),
                ),
            );
            for (const ended of all) {
                assert.deepEqual(ended, { code: 0, stdout: "applied\n", stderr: "" });
            }
        });

        it("takes away the lock, the copies and the broker of a run that was killed", async () => {
            const left =
                "mkdir -p /etc/mosquitto/.staged/certs && echo x >/etc/mosquitto/.staged/passwd &&" +
                " ln -s 99999 /run/broker-files.lock";
            await broker.exec("sh", "-c", left);
            assert.deepEqual(await apply(files), { code: 0, stdout: "unchanged\n", stderr: "" });
        });

        it("finishes a change that was cut off while the files were moved", async () => {
            const expiry = "server 1700000000\n";
            const half = `mkdir -p /etc/mosquitto/.committed && printf '${expiry}' >/etc/mosquitto/.committed/expiry`;
            await broker.exec("sh", "-c", half);
            assert.deepEqual(await apply(files), { code: 0, stdout: "unchanged\n", stderr: "" });
            assert.equal(await broker.exec("cat", "/etc/mosquitto/expiry"), expiry);
        });

        it("leaves a machine whose broker does not run to a restart", async () => {
            await broker.exec("sh", "-c", "mv /run/broker.pid /run/elsewhere");
            try {
                const ended = await apply({ expiry: "server 1600000000\n" });
                assert.equal(ended.code, 3);
                assert.equal(ended.stderr, "broker-files: the broker does not run\n");
            } finally {
                await broker.exec("sh", "-c", "mv /run/elsewhere /run/broker.pid");
            }
        });
    });
}
