/**
 * Properties that grow with the stack's users are one text each in inputs and state. The engine copies and
 * logs every value inside a property, at each of its calls: unpacked, 1,000 users double the time of an
 * unchanged preview. A resource packs its inputs and unpacks its outputs; its provider stands behind
 * `packing` and works with the values.
 */
import { gunzipSync, gzipSync } from "node:zlib";
import { isUnknown, type Provider } from "./provider.ts";

/** A value as the state has it: in states of earlier versions the value itself. */
export type Packed<T> = T | string;

/** `T` with some of its properties packed. */
export type PackedIn<T, Names extends keyof T> = Omit<T, Names> & {
    [Name in Names]: Packed<T[Name]>;
};

/** JSON, compressed, in base64. */
export function pack(value: unknown): string {
    return gzipSync(JSON.stringify(value)).toString("base64");
}

export function unpack<T>(packed: Packed<T>): T {
    return typeof packed === "string"
        ? (JSON.parse(gunzipSync(Buffer.from(packed, "base64")).toString()) as T)
        : packed;
}

/** The provider as the engine is to have it, with these properties packed. */
export function packing<Inputs extends object, Outputs extends object>(
    provider: Provider<Inputs, Outputs>,
    names: readonly string[],
): Provider<Inputs, Outputs> {
    const unpacked = <T extends object>(properties: T): T => mapped(properties, names, unpack);
    const packed = <T extends object>(properties: T): T => mapped(properties, names, pack);
    return {
        // To read or delete a resource no provider looks at these.
        ...provider,
        async check(olds, news) {
            const { inputs, failures } = await provider.check(unpacked(olds), unpacked(news));
            // A check leaves them as they are, or out.
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
