/** Compares docs/conformance.md with the suites' results. */
import { readFileSync } from "node:fs";
import path from "node:path";
import { ROOT } from "../../lib/paths.ts";
import type { Cases } from "./conformance.ts";

/** In the order of the document's columns. */
export const BROKERS = ["deployed", "stock 2.1", "stock 2.0"] as const;
export type BrokerName = (typeof BROKERS)[number];

/** `varies`: passes or fails, and fails for the known cause. */
export type Verdict = "passed" | "failed" | "varies";

/** Case → its documented result on each broker. */
export type Table = Map<string, Record<BrokerName, Verdict>>;

/** Cases that do not pass everywhere → how they fail. The document has the causes. */
export type Causes = Record<string, RegExp>;

/** @param version the section's heading begins with `MQTT VERSION:` */
export function documented(version: string): Table {
    const text = readFileSync(path.join(ROOT, "docs", "conformance.md"), "utf8");
    const section = text.split(/^## /m).find((part) => part.startsWith(`MQTT ${version}:`))!;
    const row = /^\| (\w+) +\| (passed|failed|varies)\S* *\| (\w+)\S* *\| (\w+)\S* *\|$/gm;
    return new Map(
        [...section.matchAll(row)].map(([, name, ...verdicts]) => [
            name!,
            Object.fromEntries(BROKERS.map((broker, at) => [broker, verdicts[at]])) as never,
        ]),
    );
}

/** @returns a line for each case that is not as documented, and separately those that are better */
export function compare(
    table: Table,
    broker: BrokerName,
    cases: Cases,
    causes: Causes,
): { worse: string[]; better: string[] } {
    const worse: string[] = [];
    const better: string[] = [];
    for (const name of new Set([...table.keys(), ...cases.keys()])) {
        const verdict = table.get(name)?.[broker];
        const why = cases.get(name);
        if (verdict === undefined) worse.push(`${name}: not in the document`);
        else if (!cases.has(name)) worse.push(`${name}: did not run`);
        else if (why === undefined) {
            if (verdict === "failed") better.push(`${name}: passed, documented as failed`);
        } else if (verdict === "passed" || causes[name]?.test(why) !== true) {
            worse.push(`${name}: ${why}; documented as ${verdict}`);
        }
    }
    return { worse, better };
}
