// core
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { SERIES } from "../../broker/conf.ts";
import { digestOf, splitBundle } from "../../providers/fly/secrets/bundle.ts";
import { collect, logInTo } from "../support/brokerClient.ts";
import { givenConf, passwordLine } from "../../dev/harness/brokerConf.ts";
import { BrokerContainer, buildBroker, newBundle } from "../../dev/harness/brokerContainer.ts";
import { secretLine } from "../support/brokerFixture.ts";
import { issue, makeAuthority, type Authority } from "../../dev/harness/certificates.ts";
import { until } from "../../dev/harness/until.ts";

const HOSTNAME = "appkata-test.fly.dev";
const ADA = { username: "ada", password: "ada's own password", servername: HOSTNAME };
const BOB = { username: "bob", password: "bob's own password", servername: HOSTNAME };

const APPLIED: Ended = { code: 0, stdout: "applied\n", stderr: "" };

interface Ended {
    code: number | null;
    stdout: string;
    stderr: string;
}

/** A password line whose hash no broker can read. */
function lineOf(user: string): string {
    const [salt, hash] = [12, 64].map((bytes) => randomBytes(bytes).toString("base64"));
    return `${user}:$7$1000$${salt}$${hash}\n`;
}

for (const series of SERIES) {
    describe(`broker-files on Mosquitto ${series}`, function () {
        this.timeout(60_000);
        /** PID of the broker. */
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
                `/etc/appkata/${name}`,
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

        const version = () => broker.exec("cat", "/etc/mosquitto/version");

        /** Lines of an installed file. */
        async function inForce(name: string): Promise<number> {
            return Number(await broker.exec("sh", "-c", `wc -l </etc/mosquitto/${name}`));
        }

        /** PIDs of all Mosquitto processes in the machine. */
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

        const check = (given: Record<string, string>) => run("check", secretLine(given));
        const apply = (given: Record<string, string>) => run("apply", secretLine(given));

        async function installed(): Promise<string> {
            return broker.exec(
                "sh",
                "-c",
                "cd /etc/mosquitto; find . -type f | sort | xargs md5sum",
            );
        }

        it("checks valid files and changes nothing", async () => {
            const before = await installed();
            const passwd = files.passwd + passwordLine(BOB.username, BOB.password);
            const ended = await check({ ...files, passwd });
            assert.deepEqual(ended, { code: 0, stdout: "", stderr: "" });
            assert.equal(await installed(), before);
            await assert.rejects(logInTo(broker, authority, BOB), /not authorized/i);
        });

        it("applies a new user at once, and disconnects nobody", async () => {
            const ada = await logInTo(broker, authority, ADA);
            let closed = 0;
            ada.on("close", () => closed++);
            files.passwd += passwordLine(BOB.username, BOB.password);
            assert.deepEqual(await apply(files), APPLIED);
            const bob = await logInSoon(BOB);
            const received = collect(ada, 1);
            await ada.subscribeAsync("a", { qos: 1 });
            await bob.publishAsync("a", "b", { qos: 1 });
            assert.deepEqual([...(await received)], [["a", "b"]]);
            assert.equal(closed, 0);
            await bob.endAsync();
            await ada.endAsync();
        });

        /** Waits a moment: the broker handles a signal between packets, after it was sent. */
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

        it("prints unchanged when the same files are applied again, and sends no signal", async () => {
            const line = secretLine(files);
            const before = (await broker.log()).length;
            assert.deepEqual(await run("apply", line), APPLIED);
            const since = async () => (await broker.log()).slice(before);
            await until("the broker has reloaded", async () =>
                /Reloading config/.test(await since()),
            );
            const log = await broker.log();
            assert.deepEqual(await run("apply", line), { ...APPLIED, stdout: "unchanged\n" });
            assert.equal((await broker.log()).slice(log.length), "");
        });

        it("prints what is in force, and what a restart brings", async () => {
            await apply(files);
            const number = Number((await version()).split(" ")[0]);
            const digest = digestOf(files);
            const stdout = `${number} ${digest} ${number}\n`;
            assert.deepEqual(await run("state", ""), { code: 0, stdout, stderr: "" });
            const aside = ["/mosquitto/data/.files/bundle", "/run/aside"];
            await broker.exec("mv", ...aside);
            const without = (await run("state", "")).stdout.split(" ");
            assert.ok(Number(without[2]) < number);
            await broker.exec("mv", ...aside.toReversed());
            await broker.exec("sh", "-c", "echo 'topic read x' >>/etc/mosquitto/acl");
            assert.notEqual((await run("state", "")).stdout.split(" ")[1], digest);
            await apply(files);
            assert.match((await run("state", "")).stdout, new RegExp(digest));
        });

        it("applies a single file", async () => {
            const expiry = "server 1800000000\nca-1 1900000000\nca-12 2000000000\n";
            assert.deepEqual(await apply({ expiry }), APPLIED);
            assert.equal(await broker.exec("cat", "/etc/mosquitto/expiry"), expiry);
            const stat = ["stat", "-c", "%a %U:%G", "/etc/mosquitto/expiry"];
            assert.equal(await broker.exec(...stat), "600 mosquitto:mosquitto\n");
        });

        it("serves a renewed certificate to new connections", async () => {
            const renewed = await issue(authority, [HOSTNAME, "mqtt.example.com"]);
            const pair = { "server.crt": renewed.chain, "server.key": renewed.key };
            assert.deepEqual(await apply(pair), APPLIED);
            Object.assign(files, pair);
            const ada = await logInSoon({ ...ADA, servername: "mqtt.example.com" });
            await ada.endAsync();
        });

        it("leaves client-ca.crt to a restart if no listener has a revocation list", async () => {
            const before = await installed();
            const ended = await apply({ ...files, "client-ca.crt": authority.pem });
            assert.equal(ended.code, 3);
            assert.equal(
                ended.stderr,
                "broker-files: client-ca.crt is read only when the broker starts\n",
            );
            assert.equal(await installed(), before);
        });

        describe("refuses, and changes nothing, given", () => {
            async function refused(given: Record<string, string>, reason: RegExp): Promise<void> {
                const before = await installed();
                for (const what of ["check", "apply"]) {
                    const ended = await run(what, secretLine(given));
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

            it("a truncated certificate", async () => {
                const cut = files["server.crt"]!.slice(0, 200);
                await refused({ "server.crt": cut }, /certificate/i);
            });

            it("a password line that one of the two series cannot read", async () => {
                const long = `eve:$7$100$${Buffer.alloc(16).toString("base64")}$${Buffer.alloc(64).toString("base64")}\n`;
                const form = /passwd: not NAME:\$7\$ITERATIONS\$SALT\$HASH in line 3\n/;
                await refused({ passwd: files.passwd + long }, form);
                await refused({ passwd: `${files.passwd}eve:plain text\n` }, form);
            });

            it("an ACL that the broker cannot read", async () => {
                await refused({ acl: "user ada\ntopic sometimes a\n" }, /acl/i);
            });

            it("two lines for one user", async () => {
                const twice = passwordLine("bob", "another");
                await refused({ passwd: files.passwd + twice }, /more than one line for bob\n/);
            });

            it("an invalid bundle, or none", async () => {
                await refused({ passwd: "" }, /passwd: not NAME/);
                for (const [stdin, reason] of [
                    ["", /no secrets on stdin/],
                    ["MOSQUITTO_FILES %%%\n", /not a secret's name and its value .* in line 1\n/],
                    ["A eA==\nfiles.01 eA==\n", /not a secret's name and its value .* in line 2\n/],
                ] as const) {
                    const ended = await run("check", stdin);
                    assert.equal(ended.code, 1);
                    assert.match(ended.stderr, reason);
                }
            });

            it("secrets too large to start a program with, and takes the largest possible", async () => {
                const passwd = Array.from({ length: 1500 }, (_, i) => lineOf(`user-${i}`)).join("");
                const bundle = newBundle({ ...files, passwd: files.passwd + passwd });
                const asOne = `MOSQUITTO_FILES ${bundle.toString("base64")}\n`;
                assert.ok(asOne.length > 131_072);
                const ended = await run("apply", asOne);
                assert.equal(ended.code, 1);
                assert.match(ended.stderr, /no program can be started with \d{6} bytes of secrets/);
                const names = Array.from({ length: 16 }, (_, i) => `MOSQUITTO_FILES_${i + 10}`);
                const parts = Object.entries(splitBundle(bundle, names));
                const lines = parts.map(([name, value]) => `${name} ${value}\n`);
                assert.deepEqual(await run("apply", lines.join("")), APPLIED);
                assert.equal(await inForce("passwd"), 1500 + files.passwd!.split("\n").length);
                // Their total is limited, too.
                const full = Array.from(
                    { length: 17 },
                    (_, i) => `MOSQUITTO_FILES_${i + 10} ${"A".repeat(130_000)}\n`,
                );
                assert.match(
                    (await run("check", full.join(""))).stderr,
                    /no program can be started/,
                );
                await apply(files);
            });
        });

        it("leaves a file that this image does not know to an update, which may bring another image", async () => {
            const before = await installed();
            for (const name of ["mosquitto.conf", "../passwd"]) {
                const ended = await apply({ ...files, [name]: "x" });
                assert.equal(ended.code, 3);
                assert.match(ended.stderr, /has a file that this image does not know/);
            }
            assert.equal(await installed(), before);
        });

        it("runs one at a time when several are started at once", async () => {
            const count = 4;
            const all = await Promise.all(
                Array.from({ length: count }, (_, i) =>
                    apply({ expiry: `server ${1_800_000_000 + i}\n` }),
                ),
            );
            for (const ended of all) {
                assert.deepEqual(ended, APPLIED);
            }
        });

        it("removes the lock, the copies and the second broker of a killed run", async () => {
            const left =
                "mkdir -p /etc/mosquitto/.staged/certs && echo x >/etc/mosquitto/.staged/passwd &&" +
                " ln -s 99999 /run/broker-files.lock";
            await broker.exec("sh", "-c", left);
            assert.deepEqual(await apply(files), APPLIED);
        });

        it("finishes a change that was interrupted while files were moved", async () => {
            const expiry = "server 1700000000\n";
            const half = `mkdir -p /etc/mosquitto/.committed && printf '${expiry}' >/etc/mosquitto/.committed/expiry`;
            await broker.exec("sh", "-c", half);
            assert.deepEqual(await apply({ acl: files.acl! }), APPLIED);
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
