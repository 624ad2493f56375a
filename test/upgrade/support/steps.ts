/** Steps of a preview with an earlier version's state. */

export interface Step {
    readonly op: string;
    readonly urn: string;
}

/** Steps that delete or replace something without a successor, one per line. */
export function destructive(steps: readonly Step[]): string[] {
    return steps
        .filter(({ op, urn }) => /replace|delete/.test(op) && !isSuperseded(urn))
        .map(({ op, urn }) => `${op} ${urn}`);
}

/** All steps except those that change nothing. */
export function changes(steps: readonly Step[]): string[] {
    return steps
        .filter(({ op }) => op !== "same" && op !== "read")
        .map(({ op, urn }) => `${op} ${urn.split("::").slice(2).join("::")}`);
}

/**
 * Types with another successor: the passwords now share one resource, and a verification is run, not replaced.
 */
function isSuperseded(urn: string): boolean {
    return /kept:Password::|command:local:Command::.*client$/.test(urn);
}
