/** Warns about new users with the name of a removed one. */
import type { KnownPasswords } from "../providers/kept/passwords.ts";
import type { User } from "./settings.ts";

/**
 * A line for each user whose name a removed user had. The broker knows clients by name: sessions that the
 * removed user's clients left can be resumed, and its retained messages are delivered again.
 *
 * @param passwords what the state remembers; removed users as far as their passwords are remembered
 */
export function reusedNameWarnings(
    { kept, former }: KnownPasswords,
    users: readonly Pick<User, "name">[],
): string[] {
    const present = new Set(kept.map(({ user }) => user));
    const removed = new Set(former.map(({ user }) => user).filter((user) => !present.has(user)));
    return users
        .filter(({ name }) => removed.has(name))
        .map(
            ({ name }) =>
                `users: "${name}" is the name of a user that was removed: the new user inherits its clients' ` +
                "sessions and its retained messages; clear a session with `broker-forget ID` (docs/running.md), " +
                "or choose another name",
        );
}
