/** Shared by all providers: types and helpers for their contract with Pulumi's dynamic provider host. */
import type { dynamic } from "@pulumi/pulumi";
import { visible } from "../lib/visible.ts";

/** Placeholder for a value of any type that a preview does not know yet (pulumi#6310). */
export const UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9";

export function isUnknown(value: unknown): boolean {
    return value === UNKNOWN;
}

/** Properties as the host passes them, with the delegate's text. */
export type WithProvider<T> = T & { readonly __provider?: string };

/** A dynamic provider with every method: the text in `delegates.ts` calls each of them. */
export type Provider<Inputs, Outputs> = Required<dynamic.ResourceProvider<Inputs, Outputs>>;

export type CheckFailure = dynamic.CheckFailure;
export type DiffResult = dynamic.DiffResult;

/**
 * Copies a value without `undefined` at any depth: the host cannot write `undefined` into the state
 * ("Unexpected struct type.", pulumi#2205).
 */
export function toState<T>(value: T): T {
    if (Array.isArray(value)) {
        return value.map((item: unknown) => toState(item)) as T;
    }
    if (value !== null && typeof value === "object") {
        return Object.fromEntries(
            Object.entries(value)
                .filter(([, item]) => item !== undefined)
                .map(([key, item]) => [key, toState(item as unknown)]),
        ) as T;
    }
    return value;
}

/**
 * A resource that exists but does not match its inputs. The engine keeps it in the state under `id`, shows
 * `reasons`, and makes the next `up` update it. `properties` must include `__provider`, or the next
 * read or delete could not find its code.
 */
export class PartialFailure extends Error {
    readonly id: string;
    readonly properties: object;
    readonly reasons: string[];

    constructor(id: string, properties: WithProvider<object>, cause: unknown) {
        const reason = visible(messageOf(cause));
        super(reason, { cause });
        this.name = "PartialFailure";
        this.id = id;
        this.properties = toState(properties);
        this.reasons = [reason];
    }
}

export function messageOf(cause: unknown): string {
    return cause instanceof Error ? cause.message : String(cause);
}

/** Compares two values as JSON, without regard to key order or to absent versus undefined. */
export function sameValue(a: unknown, b: unknown): boolean {
    return canonical(a) === canonical(b);
}

export function canonical(value: unknown): string {
    return JSON.stringify(value, (_key, item: unknown) =>
        item !== null && typeof item === "object" && !Array.isArray(item)
            ? Object.fromEntries(Object.entries(item).sort(([a], [b]) => (a < b ? -1 : 1)))
            : item,
    );
}

/** Effect of a changed property: nothing, an update in place, or a replacement. */
export type Effect = "none" | "update" | "replace";

export interface PropertyRule {
    readonly effect: Effect;
    /** Accepts any value if the program leaves the property out. */
    readonly optional?: boolean;
}

export type PropertyRules<Inputs> = { readonly [K in keyof Required<Inputs>]: PropertyRule };

/**
 * Compares inputs property by property. A value that a preview does not know counts as an update, since
 * something changed it, but never as a replacement: mostly it turns out to be the same.
 */
export function diffProperties<Inputs extends object>(
    olds: Inputs,
    news: Inputs,
    rules: PropertyRules<Inputs>,
): { changed: (keyof Inputs & string)[]; replaces: (keyof Inputs & string)[] } {
    const changed: (keyof Inputs & string)[] = [];
    const replaces: (keyof Inputs & string)[] = [];
    for (const key of Object.keys(rules) as (keyof Inputs & string)[]) {
        const rule = rules[key];
        const wanted: unknown = news[key];
        if (rule.effect === "none" || (rule.optional && wanted === undefined)) {
            continue;
        }
        if (isUnknown(wanted)) {
            if (rule.effect === "update") {
                changed.push(key);
            }
            continue;
        }
        if (!sameValue(olds[key], wanted)) {
            changed.push(key);
            if (rule.effect === "replace") {
                replaces.push(key);
            }
        }
    }
    return { changed, replaces };
}

/** Picks the inputs from a resource's properties: those that have a rule. */
export function inputsOf<Inputs extends object>(
    props: WithProvider<Inputs>,
    rules: PropertyRules<Inputs>,
): Inputs {
    return Object.fromEntries(
        Object.entries(props).filter(([key]) => key in rules || key === "__provider"),
    ) as Inputs;
}

/**
 * Removes `earlier` from the inputs of an existing resource. Only a create reads it (the engine then passes
 * no old inputs), and it would duplicate the whole state.
 */
export function withoutEarlier<Inputs extends { earlier?: unknown }>(
    olds: Partial<Inputs> | undefined,
    news: Inputs,
): Inputs {
    if (Object.keys(olds ?? {}).length === 0) return news;
    const kept = { ...news };
    delete kept.earlier;
    return kept;
}

/** Collects the failures of all rules that have a reason, in order. */
export function failuresOf(
    rules: readonly (readonly [property: string, reason: string | undefined])[],
): CheckFailure[] {
    return rules.flatMap(([property, reason]) => (reason ? [{ property, reason }] : []));
}

/** Errors in the code itself, which keep their stack trace. */
const BUGS = [TypeError, ReferenceError, RangeError, SyntaxError];

/**
 * Wraps a provider so that its errors have no stack trace. The host prints the trace of some of them, which
 * tells a user nothing.
 */
export function withoutTraces<P extends object>(provider: P): P {
    const bare = (error: unknown): never => {
        if (error instanceof Error && !BUGS.some((bug) => error instanceof bug)) {
            error.stack = "";
        }
        if (error instanceof Error) error.message = visible(error.message);
        throw error;
    };
    return Object.fromEntries(
        Object.entries(provider).map(([name, method]) => [
            name,
            async (...args: unknown[]) => {
                try {
                    return await (method as (...a: unknown[]) => unknown)(...args);
                } catch (error) {
                    return bare(error);
                }
            },
        ]),
    ) as P;
}
