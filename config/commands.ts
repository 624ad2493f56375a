/** Pulumi commands for error messages, safe to paste into a shell. */

/** Quotes a word for the shell. */
export function shellQuote(text: string): string {
    return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}

/**
 * Builds a path for `pulumi config set --path`: `passwords.ada`, `passwords["a.b"]`.
 * @returns undefined for a name that no path can hold: a final backslash would escape the quote
 */
export function configPath(setting: string, name: string): string | undefined {
    if (!/[.[\]"]/.test(name)) return `${setting}.${name}`;
    return name.endsWith("\\") ? undefined : `${setting}["${name.replaceAll('"', '\\"')}"]`;
}

/** The command that sets a list or a map. */
export function settingCommand(setting: string, value: unknown): string {
    return `pulumi config set ${setting} ${shellQuote(JSON.stringify(value))}`;
}

/** The command that sets a user's password; Pulumi prompts for it. */
export function passwordCommand(user: string): string {
    return `pulumi config set --secret --path ${shellQuote(configPath("passwords", user)!)}`;
}
