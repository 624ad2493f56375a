/**
 * Packs properties that grow with the number of users into one text each, in inputs and state. The engine
 * copies and logs every value inside a property at each call: unpacked, 1,000 users double the time of an
 * unchanged preview. A resource packs its inputs and unpacks its outputs; `packing` wraps its provider, which
 * works with the values.
 */
import { gunzipSync, gzipSync } from "node:zlib";
import { isUnknown, type Provider } from "./provider.ts";

/** A packed value, or the value itself in states of earlier versions. */
export type Packed<T> = T | string;

/** `T` with some of its properties packed. */
export type PackedIn<T, Names extends keyof T> = Omit<T, Names> & {
    [Name in Names]: Packed<T[Name]>;
};

/** Packs a value: JSON, compressed, in base64. */
export function pack(value: unknown): string {
    return gzipSync(JSON.stringify(value)).toString("base64");
}

export function unpack<T>(packed: Packed<T>): T {
    return typeof packed === "string"
        ? (JSON.parse(gunzipSync(Buffer.from(packed, "base64")).toString()) as T)
        : packed;
}

/** Wraps a provider so that the engine sees these properties packed. */
export function packing<Inputs extends object, Outputs extends object>(
    provider: Provider<Inputs, Outputs>,
    names: readonly string[],
): Provider<Inputs, Outputs> {
    const unpacked = <T extends object>(properties: T): T => mapped(properties, names, unpack);
    const packed = <T extends object>(properties: T): T => mapped(properties, names, pack);
    return {
        // No provider uses them to read or delete a resource.
        ...provider,
        async check(olds, news) {
            // A check asks only whether there were inputs before. It returns these unchanged, or omits them.
            const { inputs, failures } = await provider.check(olds, unpacked(news));
            const asGiven = (_value: unknown, name: string) => news[name as keyof Inputs];
            return {
                ...(inputs && { inputs: mapped(inputs, names, asGiven) }),
                ...(failures && { failures }),
            };
        },
        diff: (id, olds, news) => provider.diff(id, unpacked(olds), unpacked(news)),
        async create(inputs) {
            const { id, outs } = await provider.create(unpacked(inputs));
            return { id, ...(outs && { outs: packed(outs) }) };
        },
        async update(id, olds, news) {
            const { outs } = await provider.update(id, unpacked(olds), unpacked(news));
            return { ...(outs && { outs: packed(outs) }) };
        },
    };
}

function mapped<T extends object>(
    properties: T,
    names: readonly string[],
    change: (value: unknown, name: string) => unknown,
): T {
    const entries = Object.entries(properties).map(([name, value]: [string, unknown]) => [
        name,
        names.includes(name) && value !== undefined && !isUnknown(value)
            ? change(value, name)
            : value,
    ]);
    return Object.fromEntries(entries) as T;
}
