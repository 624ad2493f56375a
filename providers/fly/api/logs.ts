/**
 * Adds a machine's last log lines to an error about it. The route is that of `fly logs`, which Fly calls
 * mostly stable (fly.io/docs/monitoring/logs-api-options); where it fails, the error has no lines.
 */
import { boundedText } from "./answers.ts";
import type { FlyClient } from "./client.ts";
import { redact, shorten } from "./errors.ts";
import { waitForHealthy } from "../machine/health.ts";
import { MachineNotReady } from "../machine/failure.ts";
import type { MachineRef } from "../machine/wait.ts";
import { authorization, flyToken } from "./token.ts";
import type { MachineConfig, WireMachine } from "./types.ts";
import type { Deadline } from "./wait.ts";

const DEADLINE_MS = 5_000;
const SHOWN_LINES = 10;

export interface LogSource {
    readonly app: string;
    readonly logsEndpoint?: string;
}

interface WireLogEntry {
    /** Time in RFC 3339. */
    readonly timestamp?: string;
    readonly message?: string;
    readonly instance?: string;
}

/**
 * Waits until a machine is healthy; an error includes the machine's last log lines where available.
 * @param since Fly's time in RFC 3339; earlier lines belong to an earlier instance. @default all lines
 */
export async function waitForHealthyWithLog(
    client: FlyClient,
    source: LogSource,
    ref: MachineRef,
    config: MachineConfig,
    deadline: Deadline,
    since?: string,
): Promise<WireMachine> {
    try {
        return await waitForHealthy(client, ref, config, deadline);
    } catch (error) {
        const lines =
            error instanceof MachineNotReady
                ? await lastLines(source, ref.id, Date.parse(since ?? ""))
                : [];
        if (!(error instanceof MachineNotReady) || lines.length === 0) {
            throw error;
        }
        const reason = `${error.reason}\n  Its last lines:\n    ${lines.join("\n    ")}`;
        throw new MachineNotReady(reason, error.machine);
    }
}

/** @param since milliseconds since 1970, or NaN */
async function lastLines(
    { app, logsEndpoint }: LogSource,
    machine: string,
    since: number,
): Promise<string[]> {
    if (logsEndpoint === undefined) {
        return [];
    }
    const token = flyToken();
    const url = new URL(`/api/v1/apps/${encodeURIComponent(app)}/logs`, logsEndpoint);
    url.searchParams.set("instance", machine);
    try {
        const response = await fetch(url, {
            headers: { accept: "application/json", authorization: authorization(token) },
            signal: AbortSignal.timeout(DEADLINE_MS),
            redirect: "error",
        });
        return response.ok
            ? entriesOf(await boundedText(response))
                  .filter(({ instance }) => instance === undefined || instance === machine)
                  .filter(({ timestamp }) => !(Date.parse(timestamp ?? "") < since))
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
