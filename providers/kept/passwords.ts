/**
 * Keeps all users' passwords, given or generated, and their hashes for Mosquitto's password file in the
 * state. One resource holds them all: the engine takes 0.3 s per resource of an `up`. Also keeps former
 * passwords, so that the verification can prove that the broker refuses them.
 */
import {
    diffProperties,
    failuresOf,
    isUnknown,
    toState,
    withoutEarlier,
    type CheckFailure,
    type PropertyRules,
    type Provider,
} from "../provider.ts";
import {
    generatePassword,
    hashPassword,
    iterationsProblem,
    passwordProblem,
    userNameProblem,
} from "./password.ts";

export interface PasswordsInputs {
    /** Secret. A change is in place: it keeps the other users' passwords, and the changed one becomes a former one. */
    users: UserPassword[];
    /** PBKDF2 rounds, 1000 to 10,000,000. A change rehashes the same passwords in place. */
    iterations: number;
    /** PBKDF2 rounds for given passwords, which are easier to guess. @default `iterations` */
    givenIterations?: number;
    /**
     * Secret. Passwords already in the stack, which a create takes over: from a stack of an earlier version,
     * or from a resource that is replaced or lost. Not kept in the state; a change does nothing.
     */
    earlier?: KnownPasswords;
}

export interface UserPassword {
    user: string;
    /** At least 8 characters. @default 24 random characters, generated once */
    password?: string;
}

export interface KnownPasswords {
    kept: KeptPassword[];
    /** Newest first; at most `MAX_FORMER`. */
    former: FormerPassword[];
}

export interface KeptPassword {
    user: string;
    password: string;
    /** Whether the password was generated rather than given. */
    generated: boolean;
    iterations: number;
    /** `$7$ITERATIONS$SALT$HASH`, the part after `user:` in the password file. */
    hash: string;
    /** When the password was generated or given, in ISO 8601. Empty in a state of an earlier version. */
    since: string;
}

/** A password of a removed user, or an earlier one of a present user. */
export interface FormerPassword {
    user: string;
    password: string;
}

/** Outputs. `kept` and `former` are secret; `kept` has the users in their order. */
export interface PasswordsOutputs extends KnownPasswords {
    iterations: number;
    givenIterations?: number;
}

const PASSWORDS_RULES: PropertyRules<PasswordsInputs> = {
    users: { effect: "update" },
    iterations: { effect: "update" },
    givenIterations: { effect: "update", optional: true },
    earlier: { effect: "none", optional: true },
};

/** Bounded, since every verification tries each of them, at about 50 ms. */
export const MAX_FORMER = 50;

export const passwords: Provider<PasswordsInputs, PasswordsOutputs> = {
    configure: () => Promise.resolve(),

    check(olds, news) {
        const failures = [
            ...failuresOf([
                ["iterations", iterationsProblem(news.iterations)],
                [
                    "givenIterations",
                    news.givenIterations === undefined
                        ? undefined
                        : iterationsProblem(news.givenIterations),
                ],
            ]),
            ...(isUnknown(news.users) ? [] : usersProblems(news.users)),
        ];
        return Promise.resolve({ inputs: withoutEarlier(olds, news), failures });
    },

    diff(_id, { kept, iterations, givenIterations }, news) {
        const users = kept.map(({ user, password, generated }) => ({
            user,
            ...(!generated && { password }),
        }));
        const olds = { users, iterations, ...(givenIterations && { givenIterations }) };
        const { changed, replaces } = diffProperties(olds, news, PASSWORDS_RULES);
        return Promise.resolve({ changes: changed.length > 0, replaces });
    },

    async create(inputs) {
        const outs = await nextPasswords(inputs, inputs.earlier, new Date());
        return { id: "passwords", outs };
    },

    read: (id, props) => Promise.resolve({ id, ...(props && { props }) }),

    async update(_id, olds, news) {
        return { outs: await nextPasswords(news, olds, new Date()) };
    },

    delete: () => Promise.resolve(),
};

function usersProblems(users: readonly UserPassword[]): CheckFailure[] {
    const names = new Set<string>();
    return users.flatMap(({ user, password }, at) => {
        const twice = names.has(user) ? `"${user}" is listed twice` : undefined;
        names.add(user);
        return failuresOf([
            [`users[${at}].user`, userNameProblem(user) ?? twice],
            [`users[${at}].password`, passwordProblem(password)],
        ]);
    });
}

/** Keeps valid passwords, generates and hashes new ones, and moves the others to `former`. */
async function nextPasswords(
    inputs: PasswordsInputs,
    olds: KnownPasswords | undefined,
    now: Date,
): Promise<PasswordsOutputs> {
    const before = new Map((olds?.kept ?? []).map((one) => [one.user, one]));
    const kept = await Promise.all(
        inputs.users.map((one) => nextPassword(one, before.get(one.user), inputs, now)),
    );
    const holds = new Map(kept.map(({ user, password }) => [user, password]));
    const seen = new Set<string>();
    const former = [...(olds?.kept ?? []), ...(olds?.former ?? [])]
        .map(({ user, password }) => ({ user, password }))
        .filter(({ user, password }) => {
            const key = JSON.stringify([user, password]);
            const isNew = !seen.has(key);
            seen.add(key);
            return isNew && holds.get(user) !== password;
        })
        .slice(0, MAX_FORMER);
    const { iterations, givenIterations } = inputs;
    return toState({ iterations, ...(givenIterations && { givenIterations }), kept, former });
}

async function nextPassword(
    { user, password: given }: UserPassword,
    old: KeptPassword | undefined,
    rounds: Pick<PasswordsInputs, "iterations" | "givenIterations">,
    now: Date,
): Promise<KeptPassword> {
    const password = given ?? (old?.generated ? old.password : undefined) ?? generatePassword();
    const generated = given === undefined;
    const iterations = generated
        ? rounds.iterations
        : (rounds.givenIterations ?? rounds.iterations);
    if (old?.password !== password) {
        const hash = await hashPassword(password, iterations);
        return { user, password, generated, iterations, hash, since: now.toISOString() };
    }
    const hash =
        old.iterations === iterations ? old.hash : await hashPassword(password, iterations);
    return { user, password, generated, iterations, hash, since: old.since };
}
