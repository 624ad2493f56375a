import { badRequest, invalidArgument } from "../errors.ts";
import { formatDuration, parseDuration } from "../durations.ts";
import type { Check, GuestFile, MachineConfig, Mount, Service } from "./config.ts";
import { checkGuest } from "./guest.ts";
import { shapeOf } from "./shape.ts";

const SIGNALS = ["SIGHUP", "SIGINT", "SIGQUIT", "SIGKILL", "SIGUSR1", "SIGUSR2", "SIGTERM"];
const POLICIES = ["no", "always", "on-failure"];
/** Fly caps the interval of a service's check at a minute, as its echo shows. */
const MAX_SERVICE_INTERVAL_MS = 60_000;

function isObject(value: unknown): value is Record<string, unknown> {
    return typeof value === "object" && value !== null && !Array.isArray(value);
}

function checkStringMap(value: unknown, key: string): void {
    if (value === undefined || value === null) return;
    if (!isObject(value)) throw invalidArgument(`invalid ${key}, expected an object`);
    for (const [name, text] of Object.entries(value)) {
        if (typeof text !== "string") {
            throw invalidArgument(`invalid ${key}.${name}, expected a string`);
        }
    }
}

function checkPort(value: unknown, key: string): void {
    if (!Number.isInteger(value) || (value as number) < 1 || (value as number) > 65535) {
        throw invalidArgument(`invalid ${key}, must be between 1 and 65535`);
    }
}

function duration(value: unknown, key: string): number {
    const ms = parseDuration(value);
    if (ms === undefined) throw invalidArgument(`invalid ${key}, not a duration: ${String(value)}`);
    return ms;
}

/** Normalizes a check. Durations are echoed as Go prints them: "90s" comes back as "1m30s". */
function normalizeCheck(check: Check, key: string, maxIntervalMs?: number): Check {
    if (!isObject(check)) throw invalidArgument(`invalid ${key}, expected an object`);
    if (check.type !== "tcp" && check.type !== "http") {
        throw invalidArgument(`invalid ${key}.type, must be tcp or http`);
    }
    if (check.port !== undefined) checkPort(check.port, `${key}.port`);
    const next: Check = { ...check };
    for (const name of ["interval", "timeout", "grace_period"] as const) {
        if (check[name] === undefined) continue;
        let ms = duration(check[name], `${key}.${name}`);
        if (name === "interval" && maxIntervalMs !== undefined) ms = Math.min(ms, maxIntervalMs);
        next[name] = formatDuration(ms);
    }
    return next;
}

function normalizeService(service: Service, key: string): Service {
    if (!isObject(service)) throw invalidArgument(`invalid ${key}, expected an object`);
    if (service.protocol !== "tcp" && service.protocol !== "udp") {
        throw invalidArgument(`invalid ${key}.protocol, must be tcp or udp`);
    }
    checkPort(service.internal_port, `${key}.internal_port`);
    for (const [index, port] of (service.ports ?? []).entries()) {
        const at = `${key}.ports[${index}]`;
        if (port.port === undefined && port.start_port === undefined) {
            throw invalidArgument(`invalid ${at}, port or start_port and end_port are required`);
        }
        if (port.port !== undefined) checkPort(port.port, `${at}.port`);
        if (port.start_port !== undefined) checkPort(port.start_port, `${at}.start_port`);
        if (port.end_port !== undefined) checkPort(port.end_port, `${at}.end_port`);
    }
    const next: Service = { ...service };
    if (service.checks !== undefined) {
        next.checks = service.checks.map((check, index) =>
            normalizeCheck(check, `${key}.checks[${index}]`, MAX_SERVICE_INTERVAL_MS),
        );
    }
    // Responses carry the older form: false, true or "suspend".
    if (service.autostop === "off") next.autostop = false;
    if (service.autostop === "stop") next.autostop = true;
    return next;
}

function checkFile(file: GuestFile, key: string): void {
    if (!isObject(file)) throw invalidArgument(`invalid ${key}, expected an object`);
    if (typeof file.guest_path !== "string" || !file.guest_path.startsWith("/")) {
        throw invalidArgument(`invalid ${key}.guest_path, must be an absolute path`);
    }
    if ((file.raw_value === undefined) === (file.secret_name === undefined)) {
        throw invalidArgument(`invalid ${key}, one of raw_value or secret_name must be provided`);
    }
}

function checkMounts(mounts: Mount[]): void {
    if (!Array.isArray(mounts)) throw invalidArgument("invalid config.mounts, expected an array");
    if (mounts.length > 1) {
        throw invalidArgument("invalid config.mounts, only one volume may be mounted per machine");
    }
    for (const mount of mounts) {
        if (typeof mount.path !== "string" || !mount.path.startsWith("/")) {
            throw invalidArgument("invalid config.mounts[0].path, must be an absolute path");
        }
        if (mount.extend_threshold_percent !== undefined && mount.add_size_gb === undefined) {
            throw invalidArgument(
                "invalid config.mounts[0].extend_threshold_percent, add_size_gb is required",
            );
        }
    }
}

/**
 * Checks a config and returns it as Fly echoes it: sizes filled in, `init` and `dns` present, durations
 * rewritten.
 * @throws 400 with a text that names the property
 */
export function normalizeConfig(input: unknown): MachineConfig {
    if (!isObject(input)) throw badRequest("config is required");
    const config = shapeOf(input);
    if (config.image === undefined || config.image === "") {
        throw badRequest("config.image is required");
    }
    checkStringMap(config.env, "config.env");
    checkStringMap(config.metadata, "config.metadata");
    const next: MachineConfig = {
        ...config,
        init: config.init ?? {},
        guest: checkGuest(config.guest),
        dns: config.dns ?? {},
    };
    if (config.restart?.policy !== undefined && !POLICIES.includes(config.restart.policy)) {
        throw invalidArgument("invalid config.restart.policy, must be no, always or on-failure");
    }
    if (config.stop_config) {
        const { signal, timeout } = config.stop_config;
        if (signal !== undefined && !SIGNALS.includes(signal)) {
            throw invalidArgument(`invalid config.stop_config.signal: ${signal}`);
        }
        if (timeout !== undefined) {
            const ms = duration(timeout, "config.stop_config.timeout");
            next.stop_config = { ...config.stop_config, timeout: formatDuration(ms) };
        }
    }
    if (config.mounts) checkMounts(config.mounts);
    (config.files ?? []).forEach((file, index) => checkFile(file, `config.files[${index}]`));
    if (config.checks) {
        next.checks = Object.fromEntries(
            Object.entries(config.checks).map(([name, check]) => [
                name,
                normalizeCheck(check, `config.checks.${name}`),
            ]),
        );
        for (const [name, check] of Object.entries(config.checks)) {
            if (check.port === undefined) {
                throw invalidArgument(`invalid config.checks.${name}.port, it is required`);
            }
        }
    }
    if (config.services) {
        next.services = config.services.map((service, index) =>
            normalizeService(service, `config.services[${index}]`),
        );
    }
    return next;
}

/**
 * Signals that the `signal` and `stop` routes accept as Go's integers (fly-go sends 9); names are
 * accepted too.
 */
const SIGNAL_NUMBERS: Record<number, string> = {
    1: "SIGHUP",
    2: "SIGINT",
    3: "SIGQUIT",
    4: "SIGILL",
    5: "SIGTRAP",
    6: "SIGABRT",
    8: "SIGFPE",
    9: "SIGKILL",
    10: "SIGUSR1",
    11: "SIGSEGV",
    12: "SIGUSR2",
    13: "SIGPIPE",
    14: "SIGALRM",
    15: "SIGTERM",
};

export function signalName(value: unknown): string {
    const name =
        typeof value === "number" ? SIGNAL_NUMBERS[value] : typeof value === "string" ? value : "";
    if (name === undefined || !Object.values(SIGNAL_NUMBERS).includes(name)) {
        throw invalidArgument(`invalid signal: ${String(value)}`);
    }
    return name;
}
