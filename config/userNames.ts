/** Checks that Mosquitto's files and patterns, and Pulumi's paths, can hold the user names. */
import { filterOf, type Access, type Grants } from "../broker/acl.ts";
import { userNameProblem } from "../providers/kept/password.ts";
import { configPath } from "./commands.ts";
import { overlaps } from "./filters.ts";

/** Start of the names of the project's own users: the verification's, and the monitor's (broker/image/broker-installed). */
const RESERVED = "appkata-";

/** A filter and its place in the settings. */
interface Placed {
    place: string;
    filter: string;
}

/**
 * Checks the names of all users.
 * @returns for each user what is wrong with its name; undefined for a valid one
 */
export function nameProblems(users: Access[], everyone: Grants): (string | undefined)[] {
    const first = new Map<string, number>();
    users.forEach(({ name }, at) => first.has(name) || first.set(name, at));
    const forAll = filtersOf("everyone", everyone);
    return users.map(({ name }, at) => {
        const alone = problemAlone(name);
        if (alone !== undefined) return alone;
        const before = first.get(name)!;
        if (before !== at) return `is listed twice, as users.${before}.name too; it is "${name}"`;
        return (
            wildcardProblem(users[at]!, at, forAll) ??
            levelsProblem(name, forAll) ??
            belowProblem(name, users, first, forAll)
        );
    });
}

function problemAlone(name: string): string | undefined {
    const problem = userNameProblem(name);
    if (problem !== undefined) return problem;
    if (name.startsWith("$")) {
        return `"${name}" begins with $, so a filter with %u could grant the broker's own topics; use another name`;
    }
    if (/(^|\/)%c(\/|$)/.test(name)) {
        return `"${name}" has the level %c, for which Mosquitto would take a client's ID; use another name`;
    }
    if (configPath("passwords", name) === undefined) {
        return `"${name}" ends with a backslash, which a path of \`pulumi config set --path\` cannot; use another name`;
    }
    if (name.startsWith(RESERVED)) {
        return `"${name}" begins with ${RESERVED}, as only the project's own users do; use another name`;
    }
    return undefined;
}

/** Refuses `+` and `#` in a name that gets into a filter; elsewhere they are ordinary characters. */
function wildcardProblem(user: Access, at: number, forAll: Placed[]): string | undefined {
    const { name } = user;
    const [wildcard] = /[+#]/.exec(name) ?? [];
    if (wildcard === undefined) return undefined;
    const filters = [...filtersOf(`users.${at}`, user), ...forAll];
    const named = filters.find(({ filter }) => filter.includes("%u"));
    if (named !== undefined) {
        return `"${name}" contains ${wildcard}, which would be a wildcard in ${shown(named)}; write the topic out, or use another name`;
    }
    const pattern = forAll.find(({ filter }) => filter.includes("%c"));
    return (
        pattern &&
        `"${name}" contains ${wildcard}, and Mosquitto grants nothing by a pattern, as ${shown(pattern)}, to such a name; use another one`
    );
}

/** Refuses `/` where `%u` stands beside `%c`: in Mosquitto 2.1 `%u` is one level. `aclFile` expands `%u` elsewhere. */
function levelsProblem(name: string, forAll: Placed[]): string | undefined {
    if (!name.includes("/")) return undefined;
    const both = forAll.find(({ filter }) => filter.includes("%u") && filter.includes("%c"));
    return (
        both &&
        `"${name}" contains /, and ${shown(both)} has %u beside %c, where Mosquitto 2.1 takes one level for the name; use another name`
    );
}

/** Refuses a user `a/b` where a filter with `%u` would grant its topics to a user `a`. */
function belowProblem(
    name: string,
    users: Access[],
    first: ReadonlyMap<string, number>,
    forAll: Placed[],
): string | undefined {
    for (let end = name.indexOf("/"); end >= 0; end = name.indexOf("/", end + 1)) {
        const above = name.slice(0, end);
        const at = first.get(above);
        if (at === undefined) continue;
        const wide = [...filtersOf(`users.${at}`, users[at]!), ...forAll].find(
            ({ filter }) =>
                filter.includes("%u") && overlaps(topics(above, filter), topics(name, filter)),
        );
        if (wide === undefined) continue;
        return `"${name}" is below "${above}" (users.${at}.name), to whom ${shown(wide)} would grant what is meant for "${name}"; use another name`;
    }
    return undefined;
}

const topics = (name: string, filter: string) => filterOf(name, filter).replaceAll("%c", "+");

function filtersOf(place: string, grants: Grants): Placed[] {
    return (["readWrite", "read", "write"] as const).flatMap((list) =>
        grants[list].map((filter, at) => ({ place: `${place}.${list}.${at}`, filter })),
    );
}

function shown({ place, filter }: Placed): string {
    return `${place} (${JSON.stringify(filter)})`;
}
