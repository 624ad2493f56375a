/**
 * Who may do what, as the settings `users` and `everyone` say it, checked before anything is made: each
 * mistake and each rule that does nothing, with its place, the value and what to do.
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
            named,
            z.strictObject({
                name: z.string("must be the user's name, in quotes where it is a number"),
                ...lists,
                deny: filters.default([]),
                // `--config` and JSON have it in quotes.
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
    .min(1, "must name at least one user: nobody could connect");
export const USERS_SHAPE =
    "a list of users, each {name: …} with the lists read, write, readWrite, deny, or everything: true";

/** A list of names was enough while every user was granted everything. */
function named(user: unknown, context: z.core.$RefinementCtx): unknown {
    if (typeof user !== "string") return user;
    context.addIssue({
        code: "custom",
        message: `is a name alone, which grants nothing; write {name: ${user}, everything: true}, or name what it may read, write, readWrite`,
    });
    return z.NEVER;
}

/** What is wrong, and what does nothing. Each line begins with the place in the settings. */
export interface Findings {
    errors: string[];
    warnings: string[];
}

export function checkAccess(users: Access[], everyone: Grants): Findings {
    const found: Findings = { errors: [], warnings: [] };
    const forAll = rulesOf("everyone", everyone);
    for (const rule of forAll) {
        const problem = filterProblem(rule.filter) ?? patternProblem(rule.filter) ?? vain(rule);
        if (problem !== undefined) found.errors.push(line(rule, problem));
    }
    repeated(forAll.filter(isSound), [], found);
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
                ? "has %c, which Mosquitto replaces in rules for all users only; put it into everyone"
                : vain(rule));
        if (problem !== undefined) errors.push(line(rule, problem));
    }
    const everything = everythingRule(place, user);
    const own = [...everything, ...grants].filter(isSound);
    const sound = denials.filter(isSound);
    for (const rule of own) {
        const denial = sound.find(({ topics }) => covers(topics, rule.topics));
        if (denial === undefined) continue;
        const where = `${denial.place} (${JSON.stringify(denial.filter)})`;
        errors.push(line(rule, `can never match: ${where} denies all of it; take one of them out`));
    }
    if (own.length === 0 && forAll.length === 0 && grants.length === 0) {
        errors.push(
            `${place}: "${user.name}" is granted nothing; name what it may read, write, readWrite, or write everything: true`,
        );
    }
    repeated(own, forAll.filter(isSound).map(named), { errors, warnings });
    for (const [index, denial] of sound.entries()) {
        const within = sound.find((other, k) => isWithin(denial, index, other, k));
        if (within !== undefined) {
            warnings.push(line(denial, `adds nothing to ${within.place}; take it out`));
        } else if (
            ![...own, ...forAll].some(({ filter }) =>
                overlaps(denial.topics, filterOf(user.name, filter).replaceAll("%c", "+")),
            )
        ) {
            warnings.push(line(denial, "denies what nothing grants; take it out"));
        }
    }
}

/** One filter of one list. */
interface Rule {
    place: string;
    /** As it is written. */
    filter: string;
    /** With the user's name in it. */
    topics: string;
    /** What it grants. */
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

/** Whether comparing it with others makes sense. */
function isSound({ topics }: Rule): boolean {
    return filterProblem(topics) === undefined && !topics.startsWith("$share/");
}

/**
 * Mosquitto 2.1 replaces a whole level only, 2.0 every one. And 2.0 then lets a topic begin with `$`, which a
 * client's ID may do.
 */
function patternProblem(filter: string): string | undefined {
    if (/^%c(\/|$)/.test(filter)) {
        return "begins with %c, so a client with the ID $SYS could read that; put a level before it, as in client/%c";
    }
    const inside = /[^/]%[uc]|%[uc][^/]/.exec(filter);
    return inside === null
        ? undefined
        : `has ${/%[uc]/.exec(inside[0])![0]} beside other characters; in everyone it must be alone in its level, as in a/%u/b`;
}

/** What a well-formed rule says that it cannot mean. */
function vain({ place, topics, access }: Rule): string | undefined {
    if (topics.startsWith("$share/")) {
        return "can never match: a shared subscription is granted by the filter after its group's name";
    }
    if (access.length > 0 && (topics === "#" || topics === "+/#")) {
        const instead = access.length === 2 ? "true" : access[0];
        return place.startsWith("everyone")
            ? `grants everything to everybody; write everything: ${instead} for those who are to have it`
            : `grants everything; write everything: ${instead} instead`;
    }
    if (access.length > 0 && /^\$appkata(\/|$)/.test(topics)) {
        return "is where the machine's own monitor sends its messages; name another topic";
    }
    if (access.length > 0 && /^\$CONTROL(\/|$)/.test(topics)) {
        return "is where Mosquitto itself is commanded, by the machine alone; take it out";
    }
    // Only bridges write there: whether they are up.
    const status = "$SYS/broker/connection/+/state";
    if (access.includes("write") && topics.startsWith("$SYS") && !covers(status, topics)) {
        return access.length === 2
            ? "can never be written: Mosquitto lets nobody write to $SYS; move it to read"
            : "can never match: Mosquitto lets nobody write to $SYS; take it out";
    }
    return undefined;
}

/** Rules that others make needless: those before them, those wider than them, those of everyone. */
function repeated(own: Rule[], forAll: Rule[], { warnings }: Findings): void {
    own.forEach((rule, at) => {
        const others = [
            ...own.filter((other, k) => isWithin(rule, at, other, k)),
            ...forAll.filter(({ topics }) => !topics.includes("%c") && covers(topics, rule.topics)),
        ];
        const by = rule.access.map((kind) => others.find(({ access }) => access.includes(kind)));
        if (by.some((other) => other === undefined)) return;
        const places = [...new Set(by.map((other) => other!.place))].join(" and ");
        warnings.push(line(rule, `adds nothing to ${places}; take it out`));
    });
}

/** Of two that are the same, the later one is within the first. */
function isWithin(rule: Rule, at: number, other: Rule, otherAt: number): boolean {
    if (at === otherAt || !covers(other.topics, rule.topics)) return false;
    return otherAt < at || !covers(rule.topics, other.topics);
}
