// core
import assert from "node:assert/strict";
import { connect } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { MONITOR_PORT, SERIES } from "../../broker/conf.ts";
import { logInTo } from "../support/brokerClient.ts";
import { type BrokerContainer, getFrom } from "../../dev/harness/brokerContainer.ts";
import type { Authority } from "../../dev/harness/certificates.ts";
import { capture } from "../../lib/process.ts";
import { ADA, applyFiles } from "../support/brokerFixture.ts";
import { until } from "../../dev/harness/until.ts";
import { BOB, filesOf, healthy, pidsOf, startWatched } from "../support/watchedBroker.ts";

for (const series of SERIES) {
    describe(`monitor of Mosquitto ${series}`, function () {
        this.timeout(120_000);
        let authority: Authority;
        let files: Record<string, string>;
        let broker: BrokerContainer;

        before(async () => {
            ({ broker, authority, files } = await startWatched(series));
        });
        after(() => broker.remove());

        const signalBroker = (signal: string) =>
            broker.exec("sh", "-c", `kill -${signal} "$(cat /run/broker.pid)"`);

        it("answers a health check only while messages pass through the broker", async () => {
            await healthy(broker);
            await signalBroker("STOP");
            try {
                const hangs = await getFrom(broker, "/health");
                assert.equal(hangs.status, 503);
                assert.match(hangs.text, /^no message went through the broker/);
                // Old figures are not reported either.
                const { text } = await getFrom(broker, "/metrics");
                assert.match(text, /^mosquitto_up 0$/m);
                assert.doesNotMatch(text, /^mosquitto_clients_connected/m);
            } finally {
                await signalBroker("CONT");
            }
            await healthy(broker);
        });

        it("answers 404 to all other paths", async () => {
            for (const path of ["/", "/etc/mosquitto/passwd", "/health/../../etc/passwd"]) {
                assert.equal((await getFrom(broker, path)).status, 404, path);
            }
        });

        it("restarts each of its processes when killed, unnoticed by the broker and its clients", async () => {
            const client = await logInTo(broker, authority, ADA);
            let lost = false;
            client.on("close", () => (lost = true));
            for (const name of ["mosquitto_sub", "mosquitto_pub", "nc", "awk"]) {
                const [pid] = await pidsOf(broker, name);
                assert.ok(pid, `${name} runs`);
                await broker.exec("kill", "-9", pid);
                await healthy(broker);
            }
            // The watcher is restarted too, and the old processes are gone.
            const watcher = async () => (await broker.exec("cat", "/run/broker/pid")).trim();
            const first = await watcher();
            await broker.exec("kill", "-9", first);
            await until("a new watcher runs", async () => (await watcher()) !== first);
            for (const name of ["mosquitto_sub", "mosquitto_pub", "nc", "awk"]) {
                await until(`one ${name} runs`, async () => {
                    const pids = (await pidsOf(broker, name)).filter((pid) => pid !== "");
                    return pids.length === 1;
                });
            }
            await healthy(broker);
            await until("no zombie is left", async () => {
                const states = "cat /proc/[0-9]*/stat 2>/dev/null | sed 's/.*) //' | cut -c1";
                return !(await broker.exec("sh", "-c", states)).includes("Z");
            });
            assert.equal(lost, false);
            await client.endAsync();
        });

        it("is killed first when memory runs out", async () => {
            const scores = async (names: string[]) => {
                const pids = (await Promise.all(names.map((name) => pidsOf(broker, name)))).flat();
                const files = pids.map((pid) => `/proc/${pid}/oom_score_adj`);
                return (await broker.exec("cat", ...files)).trim().split("\n");
            };
            assert.deepEqual(await scores(["mosquitto"]), ["0"]);
            const parts = await scores(["mosquitto_sub", "mosquitto_pub", "nc", "awk"]);
            assert.deepEqual([...new Set(parts)], ["900"]);
        });

        it("answers despite a container on the host with many processes of the same user", async () => {
            const many = "i=0; while [ $((i += 1)) -lt 250 ]; do sleep 60 & done; wait";
            const run = ["run", "--detach", "--rm", "--user", "mosquitto", "--entrypoint", "sh"];
            const image = (await broker.container.inspect()).Image;
            const { stdout } = await capture(["docker", ...run, image, "-c", many]);
            try {
                for (let at = 0; at < 5; at++) {
                    assert.equal((await getFrom(broker, "/health")).status, 200);
                }
            } finally {
                await capture(["docker", "rm", "--force", stdout.trim()]);
            }
        });

        it("stays within its limits, however many clients ask and however slowly", async () => {
            await healthy(broker);
            const client = await logInTo(broker, authority, ADA);
            const host = await broker.privateAddress();
            const lines: number[] = [];
            let open = 0;
            let most = 0;
            for (let round = 0; open > 0 || round < 50; round++) {
                for (let at = 0; at < 8 && round < 50; at++) {
                    const socket = connect(MONITOR_PORT, host);
                    open++;
                    let sent = 0;
                    const drip = setInterval(() => socket.write(`a: ${sent++}\r\n`), 1000);
                    socket.on("error", () => undefined);
                    socket.on("close", () => {
                        clearInterval(drip);
                        lines.push(sent);
                        open--;
                    });
                    socket.write("GET /metrics HTTP/1.1\r\n");
                }
                most = Math.max(most, (await pidsOf(broker, "broker-answer")).length);
                await sleep(100);
            }
            assert.ok(most > 1 && most <= 200, `${most} at once`);
            assert.ok(Math.max(...lines) < 30, `${Math.max(...lines)} lines were waited for`);
            await healthy(broker);
            assert.equal(client.connected, true);
            await client.endAsync();
        });

        it("keeps its password secret", async () => {
            const folder = "/run/broker/clients";
            const options = await broker.exec("cat", `${folder}/mosquitto_sub`);
            const password = /^-P (\S{32})$/m.exec(options)![1]!;
            const modes = await broker.exec(
                ...[
                    "find",
                    folder,
                    "/run/broker/socket",
                    "-exec",
                    "stat",
                    "-c",
                    "%a %U",
                    "{}",
                    "+",
                ],
            );
            for (const line of modes.trim().split("\n")) assert.match(line, /^7?[67]?[067]0 mosq/);
            const stolen = `su -s /bin/sh nobody -c 'ls ${folder} || cat ${folder}/*'`;
            await assert.rejects(broker.exec("sh", "-c", stolen), /denied/);
            const shown = await broker.exec(
                "sh",
                "-c",
                "cat /proc/[0-9]*/cmdline; find /etc/mosquitto -type f -exec cat {} +",
            );
            assert.ok(!shown.includes(password));
            assert.ok(!(await broker.log()).includes(password));
        });

        it("is not disconnected by a user whose clients take its ID", async () => {
            await healthy(broker);
            for (const name of ["mosquitto_sub", "mosquitto_pub"]) {
                // An ID that can be guessed: Mosquitto's clients append their PID to the prefix.
                const clientId = `appkata-monitor-${(await pidsOf(broker, name))[0]}`;
                const client = await logInTo(broker, authority, { ...ADA, clientId });
                await client.endAsync();
            }
            const log = await broker.log();
            assert.match(log, /as appkata-monitor-\d+ \(.*u'ada'\)/);
            assert.doesNotMatch(log, /taken over|already connected/);
        });

        it("sends messages that no user receives", async () => {
            const client = await logInTo(broker, authority, ADA);
            const seen: string[] = [];
            client.on("message", (topic) => seen.push(topic));
            await client.subscribeAsync("#", { qos: 0 });
            for (const filter of ["$appkata/#", "$SYS/#"]) {
                await assert.rejects(client.subscribeAsync(filter), /Subscribe error/);
            }
            await healthy(broker);
            await client.publishAsync("own", "x", { qos: 1 });
            while (!seen.includes("own")) await sleep(20);
            // Retained messages of another test are among them.
            assert.deepEqual(
                seen.filter((topic) => topic.startsWith("$")),
                [],
            );
            await client.endAsync();
        });

        it("works after users and grants have changed live", async () => {
            await applyFiles(broker, { ...files, ...filesOf(BOB) });
            const again = await broker.exec("sh", "-c", "broker-files apply </run/given");
            assert.equal(again, "unchanged\n");
            await (await logInTo(broker, authority, BOB)).endAsync();
            await assert.rejects(logInTo(broker, authority, ADA));
            await healthy(broker);
            // It has to log in again with the new files too.
            for (const name of ["mosquitto_sub", "mosquitto_pub"]) {
                await broker.exec("kill", "-9", ...(await pidsOf(broker, name)));
            }
            await healthy(broker);
        });

        it("works after a restart with the installed files", async () => {
            assert.equal(await broker.stop(), 0);
            await broker.start();
            await healthy(broker);
            for (const file of ["passwd", "acl"]) {
                const text = await broker.exec("cat", `/etc/mosquitto/${file}`);
                assert.equal(text.match(/^(user )?appkata-monitor/gm)?.length, 1, file);
            }
        });
    });
}
