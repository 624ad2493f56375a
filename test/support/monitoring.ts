/** The dashboard and the alert rules, as Prometheus and Grafana read them. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { parse } from "yaml";
import { ROOT } from "../../lib/paths.ts";
import { capture } from "../../lib/process.ts";

export const FOLDER = path.join(ROOT, "monitoring");
export const DASHBOARD = path.join(FOLDER, "dashboard.json");
export const ALERTS = path.join(FOLDER, "alerts.yaml");

interface Dashboard {
    panels: { title: string; targets: { expr: string }[] }[];
}

/** Every PromQL expression of the dashboard, with its place. */
export function dashboardQueries(text = readFileSync(DASHBOARD, "utf8")): Map<string, string> {
    const { panels } = JSON.parse(text) as Dashboard;
    return new Map(
        panels.flatMap(({ title, targets }) =>
            targets.map(({ expr }, at): [string, string] => [`${title} ${at + 1}`, expr]),
        ),
    );
}

export function alertQueries(): Map<string, string> {
    const { groups } = parse(readFileSync(ALERTS, "utf8")) as {
        groups: { rules: { alert: string; expr: string }[] }[];
    };
    return new Map(
        groups.flatMap(({ rules }) =>
            rules.map(({ alert, expr }): [string, string] => [alert, expr]),
        ),
    );
}

/** The broker's metrics that the expressions name. */
export function metricsIn(queries: Iterable<string>): string[] {
    const found = [...queries].flatMap((expr) => expr.match(/\bmosquitto_\w+/g) ?? []);
    return [...new Set(found)].toSorted();
}

/** promtool's output for expressions; `code` 0 if it can read them all. */
export async function checkQueries(queries: Iterable<string>) {
    const rules = [...queries].map((expr, at) => ({ record: `query:${at}`, expr }));
    const folder = mkdtempSync(path.join(tmpdir(), "promtool-"));
    try {
        // JSON is YAML too.
        const file = path.join(folder, "queries.yaml");
        writeFileSync(file, JSON.stringify({ groups: [{ name: "queries", rules }] }));
        return await capture(["promtool", "check", "rules", file]);
    } finally {
        rmSync(folder, { recursive: true });
    }
}
