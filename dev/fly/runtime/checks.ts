import { request as httpRequest } from "node:http";
import { request as httpsRequest } from "node:https";
import { connect } from "node:net";
import { rfc3339 } from "../errors.ts";
import { parseDuration } from "../durations.ts";
import type { Check, MachineConfig } from "../model/config.ts";
import type { CheckStatus, MachineRecord } from "../model/records.ts";

const DEFAULT_INTERVAL_MS = 15_000;
const DEFAULT_TIMEOUT_MS = 10_000;
/** Longest text of an answer or error that a check shows. */
const MAX_OUTPUT = 512;

export interface NamedCheck {
    name: string;
    check: Check;
    port: number;
    /** Set for a service's check: the edge routes to the service only while it passes. */
    service?: number;
}

interface Outcome {
    passing: boolean;
    output: string;
}

/** Lists a machine's checks: the named ones, then its services' checks under Fly's generated names. */
export function checksOf(config: MachineConfig): NamedCheck[] {
    const named = Object.entries(config.checks ?? {}).map(([name, check]) => ({
        name,
        check,
        port: check.port ?? 0,
    }));
    let index = 0;
    const ofServices = (config.services ?? []).flatMap((service, position) =>
        (service.checks ?? []).map((check) => {
            const port = check.port ?? service.internal_port;
            const number = String(index++).padStart(2, "0");
            return {
                name: `servicecheck-${number}-${check.type ?? "tcp"}-${port}`,
                check,
                port,
                service: position,
            };
        }),
    );
    return [...named, ...ofServices];
}

function probeTcp(address: string, port: number, timeoutMs: number): Promise<Outcome> {
    return new Promise((resolve) => {
        const socket = connect({ host: address, port });
        const finish = (passing: boolean, output: string) => {
            clearTimeout(timer);
            socket.destroy();
            resolve({ passing, output });
        };
        const timer = setTimeout(
            () => finish(false, `dial tcp ${address}:${port}: i/o timeout`),
            timeoutMs,
        );
        socket.once("connect", () => finish(true, "Success"));
        socket.once("error", (error: NodeJS.ErrnoException) => {
            const reason = error.code === "ECONNREFUSED" ? "connection refused" : error.message;
            finish(false, `dial tcp ${address}:${port}: connect: ${reason}`);
        });
    });
}

function probeHttp(address: string, one: NamedCheck, timeoutMs: number): Promise<Outcome> {
    const { check, port } = one;
    const ask = check.protocol === "https" ? httpsRequest : httpRequest;
    const headers = Object.fromEntries(
        (check.headers ?? []).map((header) => [header.name, header.values]),
    );
    return new Promise((resolve) => {
        const asked = ask({
            host: address,
            port,
            method: check.method ?? "GET",
            path: check.path ?? "/",
            headers,
            timeout: timeoutMs,
            agent: false,
            rejectUnauthorized: check.tls_skip_verify !== true,
            ...(check.tls_server_name === undefined ? {} : { servername: check.tls_server_name }),
        });
        const finish = (passing: boolean, output: string) => {
            clearTimeout(timer);
            asked.destroy();
            resolve({ passing, output: output.slice(0, MAX_OUTPUT) });
        };
        const timer = setTimeout(() => finish(false, "context deadline exceeded"), timeoutMs);
        asked.on("error", (error) => finish(false, error.message));
        asked.on("response", (answer) => {
            const status = answer.statusCode ?? 0;
            let text = "";
            answer.on("data", (chunk: Buffer) => {
                if (text.length < MAX_OUTPUT) text += chunk.toString();
            });
            answer.on("error", (error) => finish(false, error.message));
            answer.on("end", () => finish(status >= 200 && status < 300, text || String(status)));
        });
        asked.end();
    });
}

/**
 * Runs machines' health checks as Fly does: the first after the grace period, then one an interval.
 * Results go to the machine's `checks`.
 */
export class Checks {
    readonly #changed: (machine: MachineRecord) => void;
    readonly #timers = new Map<string, Set<NodeJS.Timeout>>();

    constructor(changed: (machine: MachineRecord) => void) {
        this.#changed = changed;
    }

    start(machine: MachineRecord, address: string): void {
        this.stop(machine);
        const checks = checksOf(machine.config);
        const timers = new Set<NodeJS.Timeout>();
        this.#timers.set(machine.id, timers);
        machine.checks = checks.map((one) =>
            status(one.name, "warning", "waiting for status update"),
        );
        for (const one of checks) this.#schedule(machine, address, one, timers);
    }

    /** Stops the checks and resets their results: nothing runs that they could describe. */
    stop(machine: MachineRecord): void {
        for (const timer of this.#timers.get(machine.id) ?? []) clearTimeout(timer);
        this.#timers.delete(machine.id);
        machine.checks = checksOf(machine.config).map((one) =>
            status(one.name, "critical", "the machine is not started"),
        );
    }

    close(): void {
        for (const timers of this.#timers.values()) for (const one of timers) clearTimeout(one);
        this.#timers.clear();
    }

    #schedule(
        machine: MachineRecord,
        address: string,
        one: NamedCheck,
        timers: Set<NodeJS.Timeout>,
    ): void {
        const interval = parseDuration(one.check.interval) ?? DEFAULT_INTERVAL_MS;
        const timeout = parseDuration(one.check.timeout) ?? DEFAULT_TIMEOUT_MS;
        const later = (ms: number) => {
            const timer = setTimeout(() => {
                timers.delete(timer);
                void run();
            }, ms);
            timers.add(timer);
        };
        const run = async () => {
            const probe =
                one.check.type === "http"
                    ? probeHttp(address, one, timeout)
                    : probeTcp(address, one.port, timeout);
            const found = await probe.catch((error: unknown) => ({
                passing: false,
                output: String(error).slice(0, MAX_OUTPUT),
            }));
            // The machine was stopped or restarted during the probe.
            if (this.#timers.get(machine.id) !== timers) return;
            this.#record(machine, one.name, found);
            later(interval);
        };
        later(parseDuration(one.check.grace_period) ?? 0);
    }

    #record(machine: MachineRecord, name: string, found: Outcome): void {
        const state = found.passing ? "passing" : "critical";
        const before = machine.checks.find((check) => check.name === name);
        if (before?.status === state && before.output === found.output) return;
        const next = status(name, state, found.output);
        machine.checks = machine.checks.map((check) => (check.name === name ? next : check));
        this.#changed(machine);
    }
}

function status(name: string, state: CheckStatus["status"], output: string): CheckStatus {
    return { name, status: state, output, updated_at: rfc3339(Date.now()) };
}
