type Failures = readonly { readonly property: string; readonly reason: string }[];

/** Failures of a provider's check, each `property: reason`. */
export async function failuresOf(
    provider: { check(olds: never, news: never): Promise<{ failures?: Failures }> },
    news: object,
    olds: object = {},
): Promise<string[]> {
    const { failures } = await provider.check(olds as never, news as never);
    return (failures ?? []).map(({ property, reason }) => `${property}: ${reason}`);
}
