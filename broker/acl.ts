/** Mosquitto's ACL file: who may read and write what. What it does not grant is not allowed. */

/** Topic filters as Mosquitto takes them; `%u` is the user's name, `%c` a client's ID. */
export interface Grants {
    read: string[];
    write: string[];
    readWrite: string[];
}

/** What one user may do. `%c` has no meaning here. */
export interface Access extends Grants {
    name: string;
    /** Neither read nor written, whatever else grants it. */
    deny: string[];
    /** Of every topic but those that begin with `$`. */
    everything: false | true | "read" | "write";
}

export interface AclArgs {
    users: Access[];
    /** What each of the users may do besides. */
    everyone: Grants;
    /** Whom `everyone` does not mean: the project's own. */
    internal: Access[];
    /** Names of whose certificates are revoked: until they are cut off they may do nothing. */
    removed?: string[];
}

/** What each list of grants, and `everything`, is to Mosquitto. */
const ACCESS_OF = { read: "read", write: "write", readWrite: "readwrite" } as const;

/**
 * The file's text. Mosquitto looks at a user's `deny` lines first, then at the grants, then at the
 * patterns, wherever they stand. Patterns hold for whoever is logged in, and one without %u or %c
 * draws a warning; so those are written out for each user. For a name of several levels so are those with
 * %u, which is one level in 2.1.
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
    // Or the patterns below would hold for them.
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

/** A user's filter with the name in it. */
export function filterOf(name: string, filter: string): string {
    return filter.replaceAll("%u", () => name);
}

function isPlain(filter: string): boolean {
    return !/%[uc]/.test(filter);
}

function isByName(filter: string): boolean {
    return filter.includes("%u") && !filter.includes("%c");
}
