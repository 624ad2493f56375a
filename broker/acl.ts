/** Renders Mosquitto's ACL file, an allow-list of who may read and write what. */

/** Granted topic filters in Mosquitto's syntax; `%u` is the user's name, `%c` a client's ID. */
export interface Grants {
    read: string[];
    write: string[];
    readWrite: string[];
}

/** Grants and denials of one user. `%c` has no meaning here. */
export interface Access extends Grants {
    name: string;
    /** Filters that the user may neither read nor write, whatever else grants them. */
    deny: string[];
    /** Access to every topic but those that begin with `$`. */
    everything: false | true | "read" | "write";
}

export interface AclArgs {
    users: Access[];
    /** Grants of every user, besides its own. */
    everyone: Grants;
    /** The project's own users, to whom `everyone` does not apply. */
    internal: Access[];
    /** Users with a revoked certificate: they may do nothing until they are disconnected. */
    removed?: string[];
}

/** Mosquitto's word for each list of grants. */
const ACCESS_OF = { read: "read", write: "write", readWrite: "readwrite" } as const;

/**
 * Renders the file. Mosquitto applies a user's `deny` lines first, then its grants, then the patterns, in
 * whatever order they stand. Patterns apply to everybody who is logged in, and Mosquitto warns about one without
 * %u or %c; so those are written out for each user. So are patterns with %u for a name with `/`, since %u matches
 * one level in 2.1.
 */
export function aclFile({ users, everyone, internal, removed = [] }: AclArgs): string {
    const blocks = users.map((user) => [
        ...userLines(user),
        ...grantLines(everyone, isPlain),
        ...(user.name.includes("/")
            ? grantLines(everyone, isByName).map((line) => filterOf(user.name, line))
            : []),
    ]);
    blocks.push(...internal.map(userLines));
    // Otherwise the patterns below would apply to them.
    blocks.push(...removed.map((name) => [`user ${name}`, "topic deny #", "topic deny $SYS/#"]));
    blocks.push(
        grantLines(everyone, (filter) => !isPlain(filter)).map((line) =>
            line.replace(/^topic/, "pattern"),
        ),
    );
    return blocks
        .filter((block) => block.length > 0)
        .map((block) => `${block.join("\n")}\n`)
        .join("\n");
}

function userLines(user: Access): string[] {
    const { name, everything } = user;
    const all = everything === true ? "readWrite" : everything;
    return [
        `user ${name}`,
        ...user.deny.map((filter) => `topic deny ${filterOf(name, filter)}`),
        ...(all === false ? [] : [`topic ${ACCESS_OF[all]} #`]),
        ...grantLines(user).map((line) => filterOf(name, line)),
    ];
}

function grantLines(grants: Grants, which: (filter: string) => boolean = () => true): string[] {
    return (["readWrite", "read", "write"] as const).flatMap((list) =>
        grants[list].filter(which).map((filter) => `topic ${ACCESS_OF[list]} ${filter}`),
    );
}

/** Replaces `%u` in a filter by the user's name. */
export function filterOf(name: string, filter: string): string {
    return filter.replaceAll("%u", () => name);
}

function isPlain(filter: string): boolean {
    return !/%[uc]/.test(filter);
}

function isByName(filter: string): boolean {
    return filter.includes("%u") && !filter.includes("%c");
}
