/** Protection of what the data or the clients' access hang on, by a setting of the program. */

interface Protectable {
    readonly protectedBy?: string;
}

/** @throws naming the setting, before anything is asked of Fly */
export function refuseProtected(noun: string, { protectedBy }: Protectable): void {
    if (protectedBy !== undefined) {
        throw new Error(
            `${noun} is not deleted: \`${protectedBy}\` is true, and nothing was changed at Fly.\n` +
                `  If it is meant to go: ${unprotectCommand(protectedBy)}, then \`pulumi up\`, and then again.`,
        );
    }
}

/** For `check`: a change that replaces what is protected. */
export function protectionProblem(
    noun: string,
    { protectedBy }: Protectable,
    replaced: boolean,
): string | undefined {
    return replaced && protectedBy !== undefined
        ? `would replace the ${noun}, and \`${protectedBy}\` is true; if it is meant: ${unprotectCommand(protectedBy)}`
        : undefined;
}

function unprotectCommand(setting: string): string {
    // An argument of a component in the program, or a key of the stack's file.
    return setting.includes(" ") ? "set it to false" : `\`pulumi config set ${setting} false\``;
}
