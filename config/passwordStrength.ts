/** How easily a given password is guessed, by zxcvbn's dictionaries and patterns. */
import { createRequire } from "node:module";
import type * as Core from "@zxcvbn-ts/core";
import type * as Common from "@zxcvbn-ts/language-common";
import type * as English from "@zxcvbn-ts/language-en";

/** Words that everybody tries on such a broker. */
const NEAR = ["mqtt", "mosquitto", "broker", "appkata"];

/** The time it takes grows with the square; nothing of this length is guessed. */
const LOOKED_AT = 100;

let factory: Core.ZxcvbnFactory | undefined;

/** Its dictionaries take half a second, so they are read once a password is given. */
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
 * @param floor from 0 (anything) to 4 (more than 10^10 guesses)
 * @returns what is wrong with it, without the password
 */
export function strengthProblem(password: string, user: string, floor: number): string | undefined {
    if (floor === 0) return undefined;
    const { score, feedback } = zxcvbn().check(password.slice(0, LOOKED_AT), [user, ...NEAR]);
    if (score >= floor) return undefined;
    const why = feedback.warning ? ` (${feedback.warning.replace(/\.$/, "")})` : "";
    return (
        `the password is easy to guess${why}: its strength is ${score} of 4, and passwordStrength asks for ` +
        `${floor}; give a longer one, or leave it out to have one made`
    );
}
