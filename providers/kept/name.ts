/** Generates a name, a prefix with random characters, once and keeps it in the state. */
import { randomInt } from "node:crypto";
import { appNameProblem, MAX_APP_NAME } from "../fly/rules.ts";
import {
    diffProperties,
    failuresOf,
    isUnknown,
    toState,
    type PropertyRules,
    type Provider,
} from "../provider.ts";

export interface NameInputs {
    /** At most `MAX_PREFIX` characters. Read at create; a change does nothing. */
    prefix: string;
    /** Name already in the stack, which a create reuses. A change does nothing. */
    current?: string;
}

export interface NameOutputs extends NameInputs {
    /** `PREFIX-xxxxxx`, with x in a–z and 0–9: 2.2 × 10⁹ of them. */
    name: string;
}

const NAME_RULES: PropertyRules<NameInputs> = {
    prefix: { effect: "none" },
    current: { effect: "none", optional: true },
};

const ALPHABET = "abcdefghijklmnopqrstuvwxyz0123456789";
const RANDOM_CHARACTERS = 6;

/** Characters that the hyphen and the random characters leave of an app name. */
export const MAX_PREFIX = MAX_APP_NAME - RANDOM_CHARACTERS - 1;

export const name: Provider<NameInputs, NameOutputs> = {
    configure: () => Promise.resolve(),

    check(_olds, news) {
        const failures = failuresOf([["prefix", prefixProblem(news.prefix)]]);
        return Promise.resolve({ inputs: news, failures });
    },

    diff(_id, olds, news) {
        const { changed, replaces } = diffProperties(olds, news, NAME_RULES);
        return Promise.resolve({ changes: changed.length > 0, replaces });
    },

    create(inputs) {
        const random = Array.from(
            { length: RANDOM_CHARACTERS },
            () => ALPHABET[randomInt(ALPHABET.length)],
        ).join("");
        const made = inputs.current ?? `${inputs.prefix}-${random}`;
        return Promise.resolve({ id: made, outs: toState({ ...inputs, name: made }) });
    },

    read: (id, props) => Promise.resolve({ id, ...(props && { props }) }),

    update: (_id, olds, news) => Promise.resolve({ outs: { ...olds, ...news } }),

    delete: () => Promise.resolve(),
};

function prefixProblem(prefix: unknown): string | undefined {
    if (typeof prefix === "string" && !isUnknown(prefix) && prefix.length > MAX_PREFIX) {
        return `"${prefix}" has ${prefix.length} characters; at most ${MAX_PREFIX} leave room for the rest of the name`;
    }
    return appNameProblem(prefix);
}
