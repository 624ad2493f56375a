/** Effect of a fault on the request that it hits. */
export type FaultAction =
    /** Send this answer instead of carrying the request out. */
    | { type: "status"; status: number; body?: unknown; headers?: Record<string, string> }
    /** Cut the connection before the request is carried out. */
    | { type: "drop-before" }
    /** Carry the request out, then cut the connection instead of answering. */
    | { type: "drop-after" }
    /** Carry the request out, send the head and half of the answer, then cut. */
    | { type: "cut" }
    /** Wait before carrying the request out. */
    | { type: "delay"; ms: number }
    /** Carry the request out, then wait before answering. */
    | { type: "delay-after"; ms: number }
    /** Answer a read with the state before the latest write. */
    | { type: "stale" };

export interface FaultRule {
    /** Any name; the journal shows it with the requests it hit. */
    name?: string;
    /** GET, POST, … or `*` (default). */
    method?: string;
    // Path such as /v1/apps/*/machines: `*` is one segment, `**` any number.
    path: string;
    /** The first hit to act on (1 = the first, the default). */
    nth?: number;
    /** Number of hits to act on from there (default 1; 0 = all). */
    times?: number;
    action: FaultAction;
}

export interface ActiveRule extends FaultRule {
    id: number;
    hits: number;
    applied: number;
}

const ACTIONS = ["status", "drop-before", "drop-after", "cut", "delay", "delay-after", "stale"];

function pattern(path: string): RegExp {
    const escaped = path.replaceAll(/[.+?^${}()|[\]\\]/g, "\\$&");
    const source = escaped
        .replaceAll("**", "\u0000")
        .replaceAll("*", "[^/]+")
        .replaceAll("\u0000", ".*");
    return new RegExp(`^${source}$`);
}

/** Faults to inject. The first rule that is due for a request acts on it. */
export class Faults {
    #rules: ActiveRule[] = [];
    #next = 1;

    get rules(): readonly ActiveRule[] {
        return this.#rules;
    }

    /** Whether a rule needs earlier states. */
    get wantsHistory(): boolean {
        return this.#rules.some((rule) => rule.action.type === "stale");
    }

    /** @throws when a rule is malformed. */
    add(rules: readonly FaultRule[]): ActiveRule[] {
        for (const rule of rules) {
            if (typeof rule?.path !== "string" || !ACTIONS.includes(rule.action?.type)) {
                throw new Error(`a fault needs path and action.type (${ACTIONS.join(", ")})`);
            }
        }
        const added = rules.map((rule) => ({ ...rule, id: this.#next++, hits: 0, applied: 0 }));
        this.#rules.push(...added);
        return added;
    }

    clear(id?: number): void {
        this.#rules = id === undefined ? [] : this.#rules.filter((rule) => rule.id !== id);
    }

    /** Counts a request for every rule that matches it and returns the one to act on. */
    match(method: string, path: string): ActiveRule | undefined {
        let acting: ActiveRule | undefined;
        for (const rule of this.#rules) {
            const wanted = rule.method ?? "*";
            if (wanted !== "*" && wanted.toUpperCase() !== method) continue;
            if (!pattern(rule.path).test(path)) continue;
            rule.hits++;
            const first = rule.nth ?? 1;
            const times = rule.times ?? 1;
            const due = rule.hits >= first && (times === 0 || rule.hits < first + times);
            if (due && acting === undefined) {
                rule.applied++;
                acting = rule;
            }
        }
        return acting;
    }
}
