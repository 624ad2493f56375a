/** Parses the secret setting `passwords`: given passwords by user. */
import { passwordProblem } from "../providers/kept/password.ts";
import { passwordCommand } from "./commands.ts";
import { strengthProblem } from "./passwordStrength.ts";
import { passwordsSchema } from "./schema.ts";

/**
 * Parses given passwords. A message never contains a password, at most its length.
 * @returns a map, since a plain object has a `constructor` for a user of that name
 */
export function parsePasswords(
    raw: string | undefined,
    users: string[] | undefined,
    floor: number,
    problems: string[],
): ReadonlyMap<string, string> {
    if (raw === undefined) return new Map();
    const parsed = passwordsSchema.safeParse(raw);
    if (!parsed.success) {
        const wrong = parsed.error.issues.flatMap(({ path }) => (path.length > 0 ? [path[0]] : []));
        problems.push(
            ...(wrong.length > 0
                ? wrong.map((user) => `passwords.${String(user)}: must be text; write it in quotes`)
                : [
                      "passwords: must be a map of user name to password, and is something else; set one by " +
                          `\`${passwordCommand(users?.[0] ?? "NAME")}\``,
                  ]),
        );
        return new Map();
    }
    const passwords = new Map(Object.entries(parsed.data));
    for (const [user, password] of passwords) {
        if (users !== undefined && !users.includes(user)) {
            problems.push(
                `passwords.${user}: is for a user that is not in users (${users.join(", ")})`,
            );
        }
        const problem = passwordProblem(password) ?? strengthProblem(password, user, floor);
        if (problem !== undefined) problems.push(`passwords.${user}: ${problem}`);
    }
    return passwords;
}
