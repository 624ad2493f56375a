/**
 * Parses and checks the grants in the settings `users` and `everyone`. Lists every mistake and every rule
 * without effect, with its place, its value and the fix.
 */
import { z } from "zod";
import { filterOf, type Access, type Grants } from "../broker/acl.ts";
import { covers, filterProblem, overlaps } from "./filters.ts";
import { nameProblems } from "./userNames.ts";

const filters = z.array(z.string("must be a topic filter"), "must be a list of topic filters");
const lists = {
    read: filters.default([]),
    write: filters.default([]),
    readWrite: filters.default([]),
};

export const everyoneSchema = z.strictObject(lists);
export const EVERYONE_SHAPE = "a map with the lists read, write and readWrite";

export const usersSchema = z
    .array(
        z.preprocess(
            rejectBareName,
            z.strictObject({
                name: z.string("must be the user's name, in quotes where it is a number"),
                ...lists,
                deny: filters.default([]),
                // `--config` and JSON put the value in quotes.
                everything: z
                    .preprocess(
                        (value) =>
                            value === "true" || value === "false" ? value === "true" : value,
                        z.literal([true, false, "read", "write"], "must be true, read or write"),
                    )
                    .default(false),
            }),
        ),
    )
    .min(1, "must name at least one user, or nobody could connect");
export const USERS_SHAPE =
    "a list of users, each {name: …} with the lists read, write, readWrite, deny, or everything: true";

/** Explains the syntax of version 0.1, where a user was its name and was granted everything. */
function rejectBareName(user: unknown, context: z.core.$RefinementCtx): unknown {
    if (typeof user !== "string") return user;
    context.addIssue({
        code: "custom",
        message: `is only a name, which grants nothing; write {name: ${user}, everything: true}, or list what it may read, write, readWrite`,
    });
    return z.NEVER;
}

/** Errors, and warnings about rules without effect. Each line begins with the place in the settings. */
export interface Findings {
    errors: string[];
    warnings: string[];
}

export function checkAccess(users: Access[], everyone: Grants): Findings {
    const found: Findings = { errors: [], warnings: [] };
    const forAll = rulesOf("everyone", everyone);
    for (const rule of forAll) {
        const problem = filterProblem(rule.filter) ?? patternProblem(rule.filter) ?? futility(rule);
        if (problem !== undefined) found.errors.push(line(rule, problem));
    }
    warnAboutRedundantRules(forAll.filter(isSound), [], found);
    const ofNames = nameProblems(users, everyone);
    users.forEach((user, at) => {
        const problem = ofNames[at];
        if (problem !== undefined) found.errors.push(`users.${at}.name: ${problem}`);
        checkUser(user, at, forAll, found);
    });
    return found;
}

function checkUser(user: Access, at: number, forAll: Rule[], { errors, warnings }: Findings): void {
    const place = `users.${at}`;
    const named = (rule: Rule): Rule => ({ ...rule, topics: filterOf(user.name, rule.filter) });
    const grants = rulesOf(place, user).map(named);
    const denials = rules(place, "deny", user.deny, []).map(named);
    for (const rule of [...grants, ...denials]) {
        const problem =
            filterProblem(rule.topics) ??
            (rule.filter.includes("%c")
                ? "has %c, which Mosquitto expands only in rules for all users; move it to everyone"
                : futility(rule));
        if (problem !== undefined) errors.push(line(rule, problem));
    }
    const everything = everythingRule(place, user);
    const own = [...everything, ...grants].filter(isSound);
    const sound = denials.filter(isSound);
    for (const rule of own) {
        const denial = sound.find(({ topics }) => covers(topics, rule.topics));
        if (denial === undefined) continue;
        const where = `${denial.place} (${JSON.stringify(denial.filter)})`;
        errors.push(line(rule, `can never match: ${where} denies all of it; remove one of them`));
    }
    if (own.length === 0 && forAll.length === 0 && grants.length === 0) {
        errors.push(
            `${place}: "${user.name}" is granted nothing; list what it may read, write, readWrite, or set everything: true`,
        );
    }
    warnAboutRedundantRules(own, forAll.filter(isSound).map(named), { errors, warnings });
    for (const [index, denial] of sound.entries()) {
        const within = sound.find((other, k) => isWithin(denial, index, other, k));
        if (within !== undefined) {
            warnings.push(line(denial, `adds nothing to ${within.place}; remove it`));
        } else if (
            ![...own, ...forAll].some(({ filter }) =>
                overlaps(denial.topics, filterOf(user.name, filter).replaceAll("%c", "+")),
            )
        ) {
            warnings.push(line(denial, "denies what nothing grants; remove it"));
        }
    }
}

/** One filter of one list in the settings. */
interface Rule {
    place: string;
    /** Filter as written. */
    filter: string;
    /** Filter with the user's name in place of `%u`. */
    topics: string;
    /** Access that it grants; empty for a denial. */
    access: ("read" | "write")[];
}

const LISTS = [
    ["readWrite", ["read", "write"]],
    ["read", ["read"]],
    ["write", ["write"]],
] as const;

function rulesOf(place: string, grants: Grants): Rule[] {
    return LISTS.flatMap(([list, access]) => rules(place, list, grants[list], [...access]));
}

function rules(place: string, list: string, filters: string[], access: Rule["access"]): Rule[] {
    return filters.map((filter, at) => {
        return { place: `${place}.${list}.${at}`, filter, topics: filter, access };
    });
}

function everythingRule(place: string, { everything }: Access): Rule[] {
    if (everything === false) return [];
    const access: Rule["access"] = everything === true ? ["read", "write"] : [everything];
    return [{ place: `${place}.everything`, filter: "#", topics: "#", access }];
}

function line({ place, filter }: Rule, problem: string): string {
    const shown = filter.length > 80 ? `${filter.slice(0, 77)}...` : filter;
    return `${place}: ${JSON.stringify(shown)} ${problem}`;
}

/** Tells whether a rule is valid, so that comparing it with others makes sense. */
function isSound({ topics }: Rule): boolean {
    return filterProblem(topics) === undefined && !topics.startsWith("$share/");
}

/**
 * Checks `%u` and `%c` in `everyone`. Mosquitto 2.1 expands them only as a whole level, 2.0 anywhere. 2.0 also
 * lets the result begin with `$`, as a client's ID may.
 */
function patternProblem(filter: string): string | undefined {
    if (/^%c(\/|$)/.test(filter)) {
        return "begins with %c, so a client with the ID $SYS could read $SYS; put a level before it, as in client/%c";
    }
    const inside = /[^/]%[uc]|%[uc][^/]/.exec(filter);
    return inside === null
        ? undefined
        : `has ${/%[uc]/.exec(inside[0])![0]} beside other characters; in everyone it must be alone in its level, as in a/%u/b`;
}

/** @returns why a well-formed rule can have no effect, or a wider one than intended */
function futility({ place, topics, access }: Rule): string | undefined {
    if (topics.startsWith("$share/")) {
        return "can never match: grant a shared subscription by the filter after its group's name";
    }
    if (access.length > 0 && (topics === "#" || topics === "+/#")) {
        const instead = access.length === 2 ? "true" : access[0];
        return place.startsWith("everyone")
            ? `grants everything to everybody; set everything: ${instead} for the users who need it`
            : `grants everything; set everything: ${instead} instead`;
    }
    if (access.length > 0 && /^\$appkata(\/|$)/.test(topics)) {
        return "is where the machine's own monitor publishes; use another topic";
    }
    if (access.length > 0 && /^\$CONTROL(\/|$)/.test(topics)) {
        return "is Mosquitto's control topic, which only the machine uses; remove it";
    }
    // Bridges publish their state there.
    const status = "$SYS/broker/connection/+/state";
    if (access.includes("write") && topics.startsWith("$SYS") && !covers(status, topics)) {
        return access.length === 2
            ? "can never be written: Mosquitto lets nobody write to $SYS; move it to read"
            : "can never match: Mosquitto lets nobody write to $SYS; remove it";
    }
    return undefined;
}

/** Warns about rules that others make redundant: an equal earlier one, a wider one, one for everyone. */
function warnAboutRedundantRules(own: Rule[], forAll: Rule[], { warnings }: Findings): void {
    own.forEach((rule, at) => {
        const others = [
            ...own.filter((other, k) => isWithin(rule, at, other, k)),
            ...forAll.filter(({ topics }) => !topics.includes("%c") && covers(topics, rule.topics)),
        ];
        const by = rule.access.map((kind) => others.find(({ access }) => access.includes(kind)));
        if (by.some((other) => other === undefined)) return;
        const places = [...new Set(by.map((other) => other!.place))].join(" and ");
        warnings.push(line(rule, `adds nothing to ${places}; remove it`));
    });
}

/** Tells whether `other` covers `rule`. Of two equal rules, the first covers the second. */
function isWithin(rule: Rule, at: number, other: Rule, otherAt: number): boolean {
    if (at === otherAt || !covers(other.topics, rule.topics)) return false;
    return otherAt < at || !covers(rule.topics, other.topics);
}
