const UNIT_MS: Record<string, number> = {
    ns: 1e-6,
    us: 1e-3,
    µs: 1e-3,
    ms: 1,
    s: 1000,
    m: 60_000,
    h: 3_600_000,
};

/**
 * Reads a Go duration ("1m30s", "500ms") or an integer of nanoseconds, as the API accepts both.
 * @returns milliseconds, or undefined for anything else
 */
export function parseDuration(value: unknown): number | undefined {
    if (typeof value === "number") return value >= 0 ? value / 1e6 : undefined;
    if (typeof value !== "string") return undefined;
    if (value === "0") return 0;
    if (!/^(\d+(\.\d+)?(ns|us|µs|ms|s|m|h))+$/.test(value)) return undefined;
    let total = 0;
    for (const [, amount, unit] of value.matchAll(/(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h)/g)) {
        total += Number(amount) * (UNIT_MS[unit ?? ""] ?? 0);
    }
    return total;
}

/** Formats milliseconds as Go prints a duration: 90000 → "1m30s", 500 → "500ms". */
export function formatDuration(ms: number): string {
    if (ms === 0) return "0s";
    if (ms < 1000) return `${Number(ms.toFixed(6))}ms`;
    const hours = Math.floor(ms / 3_600_000);
    const minutes = Math.floor((ms % 3_600_000) / 60_000);
    const seconds = Number(((ms % 60_000) / 1000).toFixed(3));
    if (hours > 0) return `${hours}h${minutes}m${seconds}s`;
    return minutes > 0 ? `${minutes}m${seconds}s` : `${seconds}s`;
}
