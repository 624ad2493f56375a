/** The setting `users` as a file's name, for more users than Pulumi hands over in the settings themselves. */
import { readFileSync } from "node:fs";
import type { Found } from "./namespace.ts";

/** Puts the text of a file of the project, `users: users.json`, in place of its name. */
export function withUsersFile({ raw, problems }: Found): Found {
    const { users: file } = raw;
    if (!file?.endsWith(".json")) return { raw, problems };
    try {
        return { raw: { ...raw, users: readFileSync(file, "utf8") }, problems };
    } catch (error) {
        const why = (error as NodeJS.ErrnoException).code;
        return { raw, problems: [...problems, `users: ${file} cannot be read: ${why}`] };
    }
}
