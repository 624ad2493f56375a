// core
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { MONITOR_PORT, SERIES } from "../../broker/conf.ts";
import { capture } from "../../lib/process.ts";
import { ensurePrometheus } from "../../dev/toolchain/testTools.ts";
import { logInTo } from "../support/brokerClient.ts";
import { CONF } from "../../dev/harness/brokerConf.ts";
import { type BrokerContainer, getFrom } from "../../dev/harness/brokerContainer.ts";
import type { Authority } from "../../dev/harness/certificates.ts";
import { alertQueries, ALERTS, dashboardQueries, metricsIn } from "../support/monitoring.ts";
import { ADA } from "../support/brokerFixture.ts";
import { until } from "../../dev/harness/until.ts";
import { DAYS, metricsWith, startWatched, valuesIn } from "../support/watchedBroker.ts";

for (const series of SERIES) {
    describe(`metrics of Mosquitto ${series}`, function () {
        this.timeout(120_000);
        let authority: Authority;
        let broker: BrokerContainer;

        before(async () => {
            await ensurePrometheus();
            ({ broker, authority } = await startWatched(series));
        });
        after(() => broker.remove());

        it("include each metric of the dashboard and the alerts, in a form that promtool accepts", async () => {
            const queries = [...dashboardQueries().values(), ...alertQueries().values()];
            // 2.0 has no heap limit.
            const names = metricsIn(queries).filter(
                (name) => series === "2.1" || name !== "mosquitto_heap_limit_bytes",
            );
            assert.ok(names.length > 15);
            const text = await metricsWith(broker, (values) =>
                names.every((name) => values.has(name)),
            );
            const checked = await promtool(text);
            assert.equal(checked.code, 0, checked.output);
            assert.notEqual((await promtool("mosquitto_up one\n")).code, 0);
            const { type, status } = await getFrom(broker, "/metrics");
            assert.equal(status, 200);
            assert.match(type ?? "", /^text\/plain; version=0\.0\.4/);
        });

        it("count clients' traffic, and show limits and certificates' expiry", async () => {
            const earlier = valuesIn(await metricsWith(broker, (values) => values.has(RECEIVED)));
            const one = await logInTo(broker, authority, ADA);
            const other = await logInTo(broker, authority, ADA);
            await one.subscribeAsync("counted/+", { qos: 1 });
            for (let i = 0; i < 20; i++) {
                await other.publishAsync(`counted/${i}`, "x", { qos: 1, retain: i < 5 });
            }
            const values = valuesIn(
                await metricsWith(
                    broker,
                    (now) =>
                        now.get("mosquitto_clients_connected") === 4 &&
                        now.get(RECEIVED)! >= earlier.get(RECEIVED)! + 20 &&
                        now.get("mosquitto_retained_messages")! >=
                            earlier.get("mosquitto_retained_messages")! + 5,
                ),
            );
            await one.endAsync();
            await other.endAsync();
            assert.ok(values.get("mosquitto_subscriptions")! >= 3);
            assert.equal(values.get("mosquitto_connections_limit"), CONF.limits.connections);
            const resident = values.get("mosquitto_resident_memory_bytes")!;
            assert.ok(resident > 0 && resident < 2 ** 28);
            if (series === "2.1") {
                assert.ok(resident > values.get("mosquitto_heap_bytes")!);
                const limit = CONF.limits.memoryMb * 1024 * 1024;
                assert.equal(values.get("mosquitto_heap_limit_bytes"), limit);
            }
            for (const [certificate, days] of Object.entries(DAYS)) {
                const name = `mosquitto_certificate_left_seconds{certificate="${certificate}"}`;
                const left = values.get(name)! / 86400;
                assert.ok(left > days - 0.1 && left <= days, `${certificate}: ${left}`);
            }
            assert.equal(values.get("mosquitto_data_unreadable_files"), 0);
        });

        it("count data that was put aside", async () => {
            const data = series === "2.1" ? "mosquitto.sqlite3" : "mosquitto.db";
            const file = `/mosquitto/data/${data}.unreadable-20260101T000000Z`;
            await broker.exec("touch", file);
            await metricsWith(
                broker,
                (values) => values.get("mosquitto_data_unreadable_files") === 1,
            );
            await broker.exec("rm", file);
        });

        it("are scraped by Prometheus, which accepts the alert rules", async () => {
            const folder = mkdtempSync(path.join(tmpdir(), "prometheus-"));
            const target = `${await broker.privateAddress()}:${MONITOR_PORT}`;
            const config = {
                global: { scrape_interval: "1s", evaluation_interval: "1s" },
                rule_files: [ALERTS],
                scrape_configs: [{ job_name: "mqtt", static_configs: [{ targets: [target] }] }],
            };
            writeFileSync(path.join(folder, "prometheus.yaml"), JSON.stringify(config));
            const port = await freePort();
            const prometheus = spawn(
                "prometheus",
                [
                    "--config.file=prometheus.yaml",
                    "--storage.tsdb.path=data",
                    `--web.listen-address=127.0.0.1:${port}`,
                ],
                { cwd: folder, stdio: "ignore" },
            );
            try {
                const query = async (expr: string) => {
                    const url = `http://127.0.0.1:${port}/api/v1/query?query=${encodeURIComponent(expr)}`;
                    const answer = await fetch(url).catch(() => undefined);
                    const body = (answer?.ok ? await answer.json() : undefined) as
                        { data?: { result?: { value: [number, string] }[] } } | undefined;
                    return body?.data?.result?.map(({ value }) => value[1]) ?? [];
                };
                await until("a scrape", async () => (await query("mosquitto_up")).includes("1"));
                assert.deepEqual(await query('ALERTS{alertstate="firing"}'), []);
            } finally {
                prometheus.kill("SIGKILL");
                await once(prometheus, "exit");
                rmSync(folder, { recursive: true });
            }
        });
    });
}

const RECEIVED = "mosquitto_publish_messages_received_total";

async function promtool(text: string): Promise<{ code: number | null; output: string }> {
    const folder = mkdtempSync(path.join(tmpdir(), "metrics-"));
    try {
        writeFileSync(path.join(folder, "metrics"), text);
        const command = `promtool check metrics <${folder}/metrics`;
        const { code, stdout, stderr } = await capture(["sh", "-c", command]);
        return { code, output: stdout + stderr };
    } finally {
        rmSync(folder, { recursive: true });
    }
}

async function freePort(): Promise<number> {
    const server = createServer().listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as AddressInfo;
    server.close();
    return port;
}
