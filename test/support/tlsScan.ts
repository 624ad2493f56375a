/** A TLS server as testssl.sh sees it. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { capture } from "../../lib/process.ts";

/** A finding of the scanner. Its ids are documented nowhere; a scan's JSON has them. */
export interface Finding {
    id: string;
    severity: "OK" | "INFO" | "DEBUG" | "WARN" | "LOW" | "MEDIUM" | "HIGH" | "CRITICAL" | "FATAL";
    finding: string;
}

export interface ScanTarget {
    address: string;
    port: number;
    hostname: string;
    caPem: string;
}

/** Protocols, ciphers, forward secrecy, preferences, certificate, known vulnerabilities. */
const CHECKS = ["-p", "-s", "-f", "-P", "-S", "-U"];

/** Takes half a minute. */
export async function scanTls(target: ScanTarget): Promise<Finding[]> {
    const folder = mkdtempSync(path.join(tmpdir(), "tls-scan-"));
    const ca = path.join(folder, "ca.pem");
    const json = path.join(folder, "findings.json");
    writeFileSync(ca, target.caPem);
    try {
        const quietly = ["--quiet", "--color", "0", "--warnings", "off"];
        const where = ["--nodns", "none", "--ip", target.address];
        const ended = await capture([
            ...["testssl", ...quietly, ...where, "--add-ca", ca, "--jsonfile", json, ...CHECKS],
            `${target.hostname}:${target.port}`,
        ]);
        // The exit code counts the findings; an aborted scan has a fatal one, or no file.
        try {
            return JSON.parse(readFileSync(json, "utf8")) as Finding[];
        } catch (error) {
            throw new Error(`testssl ended with ${ended.code}: ${ended.stdout}${ended.stderr}`, {
                cause: error,
            });
        }
    } finally {
        rmSync(folder, { recursive: true });
    }
}
