/** Turns the stack's client commands into those that `npm run local` shows. */
import { shellQuote } from "../config/commands.ts";

const URL_FORM = /^(mosquitto_\w+) -L mqtts:\/\/([^:/@ ]+):([^:/@ ]+)@([^:/@ ]+):(\d+)\/(\S*)/;
const OPTIONS = /^mosquitto_\w+ -h \S+ -p \d+ /;
const WORD = String.raw`(?:'[^']*'|\\'|[^\s'])+`;
const CERTIFICATE = new RegExp(` --cert (${WORD}) --key (${WORD})(?= --cafile \\S+( -l)?$)`);

/**
 * Makes a command that works in any folder and after a password change. The password stays off the
 * screen: the shell fetches it when the command is pasted. URLs are rewritten to options, since
 * Mosquitto's clients do not decode URLs and not every password fits into one.
 * @param users passwords by user
 * @param root the project's folder
 */
export function pastedCommand(
    command: string,
    users: Readonly<Record<string, string>>,
    root: string,
): string {
    const inRoot = (file: string) => `${shellQuote(`${root}/`)}${file}`;
    const plain = command.replace(
        URL_FORM,
        (_, program: string, user: string, password: string, host: string, port: string, topic) =>
            `${program} -h ${host} -p ${port} -u ${user} -P ${password} -t ${shellQuote(String(topic))}`,
    );
    const [opening = ""] = OPTIONS.exec(plain) ?? [];
    const rest = plain.slice(opening.length);
    const login = ([user, password]: [string, string]) =>
        `-u ${shellQuote(user)} -P ${shellQuote(password)} `;
    const own = Object.entries(users).find((user) => rest.startsWith(login(user)));
    const fetched = (user: string) =>
        `npm --prefix ${shellQuote(root)} run --silent outputs -- --show-secrets -- users ${shellQuote(user)}`;
    const shown = own
        ? `-u ${shellQuote(own[0])} -P "$(${fetched(own[0])})" ${rest.slice(login(own).length)}`
        : rest;
    return (opening + shown)
        .replace(
            CERTIFICATE,
            (_, cert: string, key: string) => ` --cert ${inRoot(cert)} --key ${inRoot(key)}`,
        )
        .replace(
            / --cafile (\S+)( -l)?$/,
            (_, file: string, end = "") => ` --cafile ${inRoot(file)}${String(end)}`,
        );
}
