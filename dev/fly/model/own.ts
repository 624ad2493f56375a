/** The entry of a key that a caller names; keys such as `constructor` are no entries. */
export function own<T>(record: Readonly<Record<string, T>>, key: string): T | undefined {
    return Object.hasOwn(record, key) ? record[key] : undefined;
}
