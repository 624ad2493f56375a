/** Reads an own property by a key from outside, so that `constructor` and the like find nothing. */
export function own<T>(record: Readonly<Record<string, T>>, key: string): T | undefined {
    return Object.hasOwn(record, key) ? record[key] : undefined;
}
