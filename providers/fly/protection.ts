/** Refuses to delete or replace resources that a setting protects. */

interface Protectable {
    readonly protectedBy?: string;
}

/** @throws Error naming the setting, before any request to Fly */
export function refuseProtected(noun: string, { protectedBy }: Protectable): void {
    if (protectedBy !== undefined) {
        throw new Error(
            `${noun} is not deleted: \`${protectedBy}\` is true, and nothing was changed at Fly.\n` +
                `  To delete it: ${unprotectCommand(protectedBy)}, then \`pulumi up\`, then run this command again.`,
        );
    }
}

/** Reason for `check` to refuse a change that replaces a protected resource. */
export function protectionProblem(
    noun: string,
    { protectedBy }: Protectable,
    replaced: boolean,
): string | undefined {
    return replaced && protectedBy !== undefined
        ? `would replace the ${noun}, and \`${protectedBy}\` is true; if that is intended: ${unprotectCommand(protectedBy)}`
        : undefined;
}

function unprotectCommand(setting: string): string {
    // An argument of a component in the program, or a key of the stack's file.
    return setting.includes(" ") ? "set it to false" : `\`pulumi config set ${setting} false\``;
}
