/** What the providers of this room share: their contract with Pulumi's dynamic host. */
import type { dynamic } from "@pulumi/pulumi";
import { visible } from "../lib/visible.ts";

/** What stands for a value that a preview does not know yet, whatever its type (pulumi#6310). */
export const UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9";

export function isUnknown(value: unknown): boolean {
    return value === UNKNOWN;
}

/** Properties as the host hands them over: with the serialised delegate beside them. */
export type WithProvider<T> = T & { readonly __provider?: string };

/** All methods present: the delegates in `index.ts` call each of them. */
export type Provider<Inputs, Outputs> = Required<dynamic.ResourceProvider<Inputs, Outputs>>;

export type CheckFailure = dynamic.CheckFailure;
export type DiffResult = dynamic.DiffResult;

/**
 * A copy without `undefined`, at any depth: the host cannot put one into the state
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
 * A resource that exists but is not as wanted. The engine keeps it in the state under `id`, shows
 * `reasons`, and makes the next `up` update it. `properties` must carry `__provider`, or the next
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

/** Equal as JSON is: key order and absent-or-undefined do not matter. */
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

/** What a change of a property does. */
export type Effect = "none" | "update" | "replace";

export interface PropertyRule {
    readonly effect: Effect;
    /** Left out by the program: whatever is there is right. */
    readonly optional?: boolean;
}

export type PropertyRules<Inputs> = { readonly [K in keyof Required<Inputs>]: PropertyRule };

/**
 * Compares property by property. A value the preview does not know counts as a change, since
 * something made it new; but not where a change replaces, for it mostly turns out to be the same.
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

/** The inputs among the outputs: the properties that have a rule. */
export function inputsOf<Inputs extends object>(
    props: WithProvider<Inputs>,
    rules: PropertyRules<Inputs>,
): Inputs {
    return Object.fromEntries(
        Object.entries(props).filter(([key]) => key in rules || key === "__provider"),
    ) as Inputs;
}

/**
 * The inputs for the state: `earlier`, read by a create alone, would be the whole of the state once more.
 * An engine checks a create, and a replacement, with no old inputs.
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

/** The failures of all rules that speak, in their order. */
export function failuresOf(
    rules: readonly (readonly [property: string, reason: string | undefined])[],
): CheckFailure[] {
    return rules.flatMap(([property, reason]) => (reason ? [{ property, reason }] : []));
}

/** Errors of the code itself, as opposed to what it has to say about Fly or its inputs. */
const MISTAKES = [TypeError, ReferenceError, RangeError, SyntaxError];

/**
 * The same provider, whose errors have no stack trace: the host prints it beside some of them, and it
 * tells the person nothing.
 */
export function withoutTraces<P extends object>(provider: P): P {
    const bare = (error: unknown): never => {
        if (error instanceof Error && !MISTAKES.some((mistake) => error instanceof mistake)) {
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
