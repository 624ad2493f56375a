/** Steps of a preview with an earlier version's state. */

export interface Step {
    readonly op: string;
    readonly urn: string;
}

/** The steps that delete or replace something that has no successor, a line each. */
export function destructive(steps: readonly Step[]): string[] {
    return steps
        .filter(({ op, urn }) => /replace|delete/.test(op) && !isSuperseded(urn))
        .map(({ op, urn }) => `${op} ${urn}`);
}

/** All steps but those that leave a resource as it is. */
export function changes(steps: readonly Step[]): string[] {
    return steps
        .filter(({ op }) => op !== "same" && op !== "read")
        .map(({ op, urn }) => `${op} ${urn.split("::").slice(2).join("::")}`);
}

/** Passwords each had a resource, which all have one now; and a verification is run, not replaced. */
function isSuperseded(urn: string): boolean {
    return /kept:Password::|command:local:Command::.*client$/.test(urn);
}
