/** Commands of Pulumi's for errors: pasted into a shell, they do what is meant. */

/** A word for the shell, whatever is in it. */
export function shellQuote(text: string): string {
    return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}

/**
 * A path for `pulumi config set --path`: `passwords.ada`, `passwords["a.b"]`.
 * @returns undefined for a name that no path can have: a backslash at its end would hide the quote
 */
export function configPath(setting: string, name: string): string | undefined {
    if (!/[.[\]"]/.test(name)) return `${setting}.${name}`;
    return name.endsWith("\\") ? undefined : `${setting}["${name.replaceAll('"', '\\"')}"]`;
}

/** Sets a list or a map. */
export function settingCommand(setting: string, value: unknown): string {
    return `pulumi config set ${setting} ${shellQuote(JSON.stringify(value))}`;
}

/** Sets a user's password, which Pulumi then asks for. */
export function passwordCommand(user: string): string {
    return `pulumi config set --secret --path ${shellQuote(configPath("passwords", user)!)}`;
}
