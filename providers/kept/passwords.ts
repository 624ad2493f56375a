/**
 * The passwords of all users, given or generated, with their hashes for Mosquitto's password file, kept
 * in the state. One resource for all of them: an engine takes 0.3 s for each resource of an `up`.
 * Remembers passwords that no longer hold, so that the verification can prove that they are refused.
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
    /** Secret. A change keeps the passwords of all other users, and remembers the former one. */
    users: UserPassword[];
    /** Rounds of PBKDF2. A change hashes the same passwords anew. */
    iterations: number;
    /** The same of given passwords, which can be guessed. @default `iterations` */
    givenIterations?: number;
    /**
     * Secret. Passwords that the stack has already, taken over when the resource is made: from a stack
     * of an earlier version, or from a resource that is replaced or gone. Not kept in the state.
     */
    earlier?: KnownPasswords;
}

export interface UserPassword {
    user: string;
    /** Left out: 24 random characters, made once. */
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
    /** Made here, rather than given. */
    generated: boolean;
    iterations: number;
    /** `$7$ITERATIONS$SALT$HASH`, the part after `user:` in the password file. */
    hash: string;
    /** ISO 8601: when the password was made or given. Empty in a state of an earlier version. */
    since: string;
}

/** A password of a removed user, or an earlier one of a present user. */
export interface FormerPassword {
    user: string;
    password: string;
}

/** `kept` and `former` are secret. The users are in `kept`, in their order. */
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

/** Each is tried by every verification, which takes about 50 ms. */
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
        const twice = names.has(user) ? `"${user}" is there twice` : undefined;
        names.add(user);
        return failuresOf([
            [`users[${at}].user`, userNameProblem(user) ?? twice],
            [`users[${at}].password`, passwordProblem(password)],
        ]);
    });
}

/** Keeps what still holds, makes and hashes what is new, and remembers what no longer holds. */
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
