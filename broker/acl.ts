/** Mosquitto's ACL file: who may read and write what. What it does not grant is not allowed. */

/** What one user may do. Topic filters as Mosquitto takes them, `%u` being the user's name. */
export interface UserAccess {
    name: string;
    read?: string[];
    write?: string[];
    readWrite?: string[];
    /** Neither read nor written, whatever else grants it. */
    deny?: string[];
    /** Every topic but those that begin with `$`. */
    everything?: boolean;
}

/**
 * The file's text. Within a user's lines the order is nothing to Mosquitto: `deny` is looked at
 * first, then the first grant that fits counts.
 */
export function aclFile(users: UserAccess[]): string {
    return users.map((user) => `${userLines(user).join("\n")}\n`).join("\n");
}

function userLines(user: UserAccess): string[] {
    const lines = (access: string, filters: string[] = []) =>
        filters.map((filter) => `topic ${access} ${filter.replaceAll("%u", () => user.name)}`);
    return [
        `user ${user.name}`,
        ...lines("deny", user.deny),
        ...lines("readwrite", user.everything === true ? ["#"] : []),
        ...lines("readwrite", user.readWrite),
        ...lines("read", user.read),
        ...lines("write", user.write),
    ];
}
