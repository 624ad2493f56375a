/** Measures how easily a given password is guessed, by zxcvbn's dictionaries and patterns. */
import { createRequire } from "node:module";
import type * as Core from "@zxcvbn-ts/core";
import type * as Common from "@zxcvbn-ts/language-common";
import type * as English from "@zxcvbn-ts/language-en";

/** Words that an attacker of such a broker tries first. */
const OBVIOUS_WORDS = ["mqtt", "mosquitto", "broker", "appkata"];

/** Characters that are checked: the time grows with their square, and nobody guesses that many. */
const MAX_CHARACTERS = 100;

let factory: Core.ZxcvbnFactory | undefined;

/** Loads zxcvbn on first use: its dictionaries take half a second. */
function zxcvbn(): Core.ZxcvbnFactory {
    if (factory === undefined) {
        const require = createRequire(import.meta.url);
        const core = require("@zxcvbn-ts/core") as typeof Core;
        const common = require("@zxcvbn-ts/language-common") as typeof Common;
        const english = require("@zxcvbn-ts/language-en") as typeof English;
        factory = new core.ZxcvbnFactory({
            dictionary: { ...common.dictionary, ...english.dictionary },
            graphs: common.adjacencyGraphs,
            translations: english.translations,
        });
    }
    return factory;
}

/**
 * Checks a password against the setting `passwordStrength`.
 *
 * @param floor least strength, from 0 (any password) to 4 (more than 10^10 guesses)
 * @returns the problem, without the password
 */
export function strengthProblem(password: string, user: string, floor: number): string | undefined {
    if (floor === 0) return undefined;
    const { score, feedback } = zxcvbn().check(password.slice(0, MAX_CHARACTERS), [
        user,
        ...OBVIOUS_WORDS,
    ]);
    if (score >= floor) return undefined;
    const why = feedback.warning ? ` (${feedback.warning.replace(/\.$/, "")})` : "";
    return (
        `the password is easy to guess${why}: its strength is ${score} of 4, and passwordStrength asks for ` +
        `${floor}; set a longer one, or leave it out to have one generated`
    );
}
