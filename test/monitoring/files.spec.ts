// core
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { capture, onPath } from "../../lib/process.ts";
import { ensurePrometheus } from "../../dev/toolchain/testTools.ts";
import {
    alertQueries,
    ALERTS,
    checkQueries,
    DASHBOARD,
    dashboardQueries,
    FOLDER,
} from "../support/monitoring.ts";

describe("monitoring files", function () {
    this.timeout(300_000);
    before(ensurePrometheus);

    it("have alert rules that Prometheus accepts", async () => {
        const checked = await capture(["promtool", "check", "rules", ALERTS]);
        assert.equal(checked.code, 0, checked.stdout + checked.stderr);
    });

    it("have alerts that fire when they should, and not before", async () => {
        const tests = path.join(FOLDER, "alerts.test.yaml");
        const run = await capture(["promtool", "test", "rules", tests], { cwd: FOLDER });
        assert.equal(run.code, 0, run.stdout + run.stderr);
        const tested = readFileSync(tests, "utf8");
        for (const alert of alertQueries().keys()) {
            assert.ok(new RegExp(`\\b${alert}\\b`).test(tested), `${alert} is not tested`);
        }
    });

    it("have a dashboard whose queries Prometheus can read", async () => {
        const queries = dashboardQueries();
        assert.ok(queries.size >= 20);
        const checked = await checkQueries(queries.values());
        assert.equal(checked.code, 0, checked.stdout + checked.stderr);
        const wrong = await checkQueries(["rate(mosquitto_bytes_sent_total[5m]"]);
        assert.notEqual(wrong.code, 0);
    });

    describe("have a dashboard that Grafana's types", () => {
        const read = (file: string) =>
            capture(["go", "test", "-count=1", "."], {
                cwd: import.meta.dirname,
                env: { ...process.env, DASHBOARD: file },
                timeoutMs: 280_000,
            });

        before(async function () {
            // With official plugins Go may be missing, and is not needed.
            if ((await onPath("go")) === undefined) this.skip();
        });

        it("read", async () => {
            const run = await read(DASHBOARD);
            assert.equal(run.code, 0, run.stdout + run.stderr);
        });

        it("refuse an unknown field", async () => {
            const folder = mkdtempSync(path.join(tmpdir(), "dashboard-"));
            const file = path.join(folder, "dashboard.json");
            try {
                const text = readFileSync(DASHBOARD, "utf8");
                writeFileSync(file, text.replace('"graphMode"', '"graphMood"'));
                const run = await read(file);
                assert.notEqual(run.code, 0);
                assert.match(run.stdout, /graphM/);
            } finally {
                rmSync(folder, { recursive: true });
            }
        });
    });
});
