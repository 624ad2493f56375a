/** What a fault does to the request it hits. */
export type FaultAction =
    /** Answer this instead; the request is not carried out. */
    | { type: "status"; status: number; body?: unknown; headers?: Record<string, string> }
    /** Cut the connection before the request is carried out. */
    | { type: "drop-before" }
    /** Carry the request out, then cut the connection instead of answering. */
    | { type: "drop-after" }
    /** Carry it out, send the head and half of the answer, then cut. */
    | { type: "cut" }
    /** Wait before carrying it out. */
    | { type: "delay"; ms: number }
    /** Carry it out, wait before answering. */
    | { type: "delay-after"; ms: number }
    /** Answer a read with the state as it was before the latest write. */
    | { type: "stale" };

export interface FaultRule {
    /** Any name; shows in the journal beside the requests it hit. */
    name?: string;
    /** GET, POST, … or `*` (default). */
    method?: string;
    // A path such as /v1/apps/*/machines: `*` is one segment, `**` any number.
    path: string;
    /** The first hit that it acts on (1 = the first, default). */
    nth?: number;
    /** How many hits it acts on from there (default 1; 0 = all). */
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

/** The list of faults to inject. The first rule that is due for a request acts on it. */
export class Faults {
    #rules: ActiveRule[] = [];
    #next = 1;

    get rules(): readonly ActiveRule[] {
        return this.#rules;
    }

    /** Whether reads may have to answer with an earlier state. */
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

    /** Counts a request against every rule that matches it; returns the one that acts, if any. */
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
