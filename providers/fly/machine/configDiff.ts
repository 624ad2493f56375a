/**
 * Compares machine configurations by meaning. Fly returns a config normalised, with defaults filled in,
 * empty objects added and durations rewritten (seen live by alchemy-run/alchemy). None of that is a
 * difference; a manual change is.
 */
import { canonical } from "../../provider.ts";

type Json = unknown;
type JsonObject = Record<string, Json>;

/** Keys with Go durations; numbers there are nanoseconds. */
const DURATIONS = new Set(["interval", "timeout", "grace_period", "idle_timeout"]);

const UNIT_NS: Readonly<Record<string, number>> = {
    ns: 1,
    us: 1e3,
    µs: 1e3,
    ms: 1e6,
    s: 1e9,
    m: 60e9,
    h: 3600e9,
};

/** Converts "1m30s" to nanoseconds; returns anything else unchanged. */
export function durationNs(value: Json): Json {
    if (typeof value !== "string" || !/^(\d+(\.\d+)?(ns|us|µs|ms|s|m|h))+$/.test(value)) {
        return value;
    }
    return [...value.matchAll(/(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h)/g)].reduce(
        (sum, [, amount, unit]) => sum + Number(amount) * (UNIT_NS[unit ?? ""] ?? 0),
        0,
    );
}

/**
 * Defaults that Fly may fill in, by path (`*` for any index or name). Such a value counts as absent. So does
 * every zero (`false`, 0, ""), which Fly's types may omit or send (superfly/fly-go `machine_types.go`,
 * `omitempty`). The test of this table covers all fields of Fly's OpenAPI document.
 */
const DEFAULTS: Readonly<Record<string, readonly Json[]>> = {
    "guest.cpu_kind": ["shared"],
    "guest.cpus": [1],
    "guest.memory_mb": [256],
    "restart.policy": ["on-failure"],
    "restart.max_retries": [10],
    "stop_config.signal": ["SIGINT"],
    "stop_config.timeout": [5e9],
    "rootfs.persist": ["never"],
    "services.*.autostart": [true],
    "services.*.autostop": ["off"],
    "services.*.concurrency.type": ["connections"],
    "services.*.ports.*.http_options.compress": [true],
    "services.*.ports.*.tls_options.versions": [["TLSv1.2", "TLSv1.3"]],
    "services.*.ports.*.proxy_proto_options.version": ["v1"],
    "services.*.checks.*.method": ["GET"],
    "services.*.checks.*.protocol": ["http"],
    "checks.*.kind": ["informational"],
    "checks.*.method": ["GET"],
    "checks.*.protocol": ["http"],
    // 0644
    "files.*.mode": [0o644],
};

/** Paths where a zero differs from absence. */
const SIGNIFICANT_ZEROS = [
    /^services\.\*\.autostart$/,
    /^services\.\*\.ports\.\*\.http_options\.compress$/,
    /^services\.\*\.ports\.\*\.http_options\.response\.headers\./,
];

/** Paths that Fly fills in, with any value, where the program sets none. */
const SET_BY_FLY = [
    /^mounts\.\*\.(name|encrypted|size_gb|uuid)$/,
    /^restart\.max_retries$/,
    /^metadata\.fly_/,
    /^guest\.(kernel_args|host_dedication_id|persist_rootfs)$/,
    /^(size|image_ref|disable_machine_autostart)$/,
];

/** Arrays whose order has no meaning, with the key that identifies an item. */
const KEYED: Readonly<Record<string, string>> = { files: "guest_path", mounts: "path" };

/** Longest interval of a service check: Fly checks at least once a minute. */
const MAX_SERVICE_CHECK_NS = 60e9;

/**
 * Lists the paths at which two configs differ in meaning, such as `services.0.ports.0.port`. A value that a
 * preview does not know yet differs from any other.
 * @param wanted the program's config
 * @param found Fly's answer, or the state's config
 */
export function configDifferences(wanted: object, found: object): string[] {
    const paths: string[] = [];
    compare(normalise(wanted, [], wanted), normalise(found, [], wanted), [], paths);
    return paths;
}

function compare(wanted: Json, found: Json, path: string[], paths: string[]): void {
    if (isObject(wanted) && isObject(found)) {
        for (const key of new Set([...Object.keys(wanted), ...Object.keys(found)])) {
            compare(wanted[key], found[key], [...path, key], paths);
        }
    } else if (Array.isArray(wanted) && Array.isArray(found)) {
        for (let index = 0; index < Math.max(wanted.length, found.length); index++) {
            compare(wanted[index], found[index], [...path, String(index)], paths);
        }
    } else if (canonical(wanted) !== canonical(found)) {
        paths.push(path.join("."));
    }
}

/** @param wanted the program's value, which tells the keys that it sets itself */
function normalise(value: Json, path: string[], wanted: Json): Json {
    if (Array.isArray(value)) {
        return normaliseArray(value, path, wanted);
    }
    if (isObject(value)) {
        const entries = Object.entries(value).flatMap(([key, item]) => {
            const at = [...path, key];
            const next = isObject(wanted) ? wanted[key] : undefined;
            const normal = normalise(item, at, next);
            return isAbsent(normal, at, next) ? [] : [[key, normal] as const];
        });
        return Object.fromEntries(entries);
    }
    const pattern = patternOf(path);
    const key = path.at(-1) ?? "";
    if (DURATIONS.has(key)) {
        const ns = durationNs(value);
        const clamped = pattern === "services.*.checks.*.interval" && typeof ns === "number";
        return clamped ? Math.min(ns, MAX_SERVICE_CHECK_NS) : ns;
    }
    if (pattern === "services.*.autostop" && typeof value === "boolean") {
        return value ? "stop" : "off";
    }
    return value;
}

function normaliseArray(items: readonly Json[], path: string[], wanted: Json): Json[] {
    const wantedItems: readonly Json[] = Array.isArray(wanted) ? (wanted as Json[]) : [];
    const keyedBy = path.length === 1 ? KEYED[path[0] ?? ""] : undefined;
    if (!keyedBy) {
        return items.map((item, index) =>
            normalise(item, [...path, String(index)], wantedItems[index]),
        );
    }
    const nameOf = (item: Json) => (isObject(item) ? String(item[keyedBy]) : "");
    return items
        .toSorted((a, b) => (nameOf(a) < nameOf(b) ? -1 : 1))
        .map((item, index) => {
            const twin = wantedItems.find((other) => nameOf(other) === nameOf(item));
            return normalise(item, [...path, String(index)], twin);
        });
}

function isAbsent(value: Json, path: string[], wanted: Json): boolean {
    if (value === undefined || value === null || value === "" || isEmpty(value)) {
        return true;
    }
    const pattern = patternOf(path);
    if (wanted === undefined && SET_BY_FLY.some((path) => path.test(pattern))) {
        return true;
    }
    if (value === false || value === 0) {
        return !SIGNIFICANT_ZEROS.some((path) => path.test(pattern));
    }
    const defaults = Object.hasOwn(DEFAULTS, pattern) ? (DEFAULTS[pattern] ?? []) : [];
    return defaults.some((one) => canonical(one) === canonical(value));
}

function isEmpty(value: Json): boolean {
    return isObject(value)
        ? Object.keys(value).length === 0
        : Array.isArray(value) && value.length === 0;
}

/** Generalises a path: `services.0.ports.1.port` → `services.*.ports.*.port`, and any name of a check. */
function patternOf(path: readonly string[]): string {
    return path
        .map((part, index) =>
            /^\d+$/.test(part) || (index === 1 && path[0] === "checks") ? "*" : part,
        )
        .join(".");
}

function isObject(value: Json): value is JsonObject {
    return value !== null && typeof value === "object" && !Array.isArray(value);
}

/** Strips what Fly added to a config, for the state. */
export function withoutFlyDefaults<T extends object>(found: T, wanted: object): T {
    const strip = (value: Json, path: string[], twin: Json): Json => {
        if (Array.isArray(value)) {
            const twins: readonly Json[] = Array.isArray(twin) ? (twin as Json[]) : [];
            return value.map((item, index) => strip(item, [...path, String(index)], twins[index]));
        }
        if (!isObject(value)) {
            return value;
        }
        return Object.fromEntries(
            Object.entries(value).flatMap(([key, item]) => {
                const at = [...path, key];
                const next = isObject(twin) ? twin[key] : undefined;
                const kept = strip(item, at, next);
                return next === undefined && isAbsent(normalise(kept, at, next), at, next)
                    ? []
                    : [[key, kept] as const];
            }),
        );
    };
    return strip(found, [], wanted) as T;
}
