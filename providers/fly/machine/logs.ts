/**
 * Adds a machine's last log lines to an error about it. The route is that of `fly logs`, which Fly calls
 * mostly stable (fly.io/docs/monitoring/logs-api-options); where it fails, the error has no lines.
 */
import { boundedText } from "../api/answers.ts";
import { redact, shorten } from "../api/errors.ts";
import type { MachineApi } from "../api/machineApi.ts";
import { authorization, flyToken } from "../api/token.ts";
import { MachineNotReady } from "./failure.ts";

const DEADLINE_MS = 5_000;
const SHOWN_LINES = 10;

export interface LogSource {
    readonly logsEndpoint?: string;
    /** Fly's time in RFC 3339; earlier lines belong to an earlier instance. @default all lines */
    readonly since?: string | undefined;
}

interface WireLogEntry {
    /** Time in RFC 3339. */
    readonly timestamp?: string;
    readonly message?: string;
    readonly instance?: string;
}

/** @returns the error with the machine's last log lines where available */
export async function withLog(
    error: MachineNotReady,
    machine: MachineApi,
    source: LogSource,
): Promise<MachineNotReady> {
    const lines = await lastLines(machine, source);
    return lines.length === 0
        ? error
        : new MachineNotReady(
              `${error.reason}\n  Its last lines:\n    ${lines.join("\n    ")}`,
              error.machine,
          );
}

async function lastLines(
    { app, id }: MachineApi,
    { logsEndpoint, since = "" }: LogSource,
): Promise<string[]> {
    if (logsEndpoint === undefined) {
        return [];
    }
    const token = flyToken();
    const url = new URL(`/api/v1/apps/${encodeURIComponent(app)}/logs`, logsEndpoint);
    url.searchParams.set("instance", id);
    try {
        const response = await fetch(url, {
            headers: { accept: "application/json", authorization: authorization(token) },
            signal: AbortSignal.timeout(DEADLINE_MS),
            redirect: "error",
        });
        return response.ok
            ? entriesOf(await boundedText(response))
                  .filter(({ instance }) => instance === undefined || instance === id)
                  .filter(({ timestamp }) => !(Date.parse(timestamp ?? "") < Date.parse(since)))
                  .slice(-SHOWN_LINES)
                  .map(({ message }) => shorten(redact(message ?? "", token.split(","))))
            : [];
    } catch {
        return [];
    }
}

/** Parses one object with the entries in `data`, as flyctl reads it, or one entry per line, as Fly documents. */
function entriesOf(text: string): WireLogEntry[] {
    const lines = text.trim().startsWith('{"data"') ? [text] : text.trim().split("\n");
    return lines.flatMap((line) => {
        const parsed = JSON.parse(line) as WireLogEntry & {
            data?: { attributes?: WireLogEntry }[];
        };
        return parsed.data?.map(({ attributes }) => attributes ?? {}) ?? [parsed];
    });
}
