import path from "node:path";
import type { SecretsArgs } from "../providers/index.ts";

/**
 * How the running broker takes changed files: the image's command checks them, and gives them to the
 * broker.
 * @param files app secret → path in the machine
 */
export function liveFiles(
    machine: string,
    owner: { project: string; stack: string },
    files: Readonly<Record<string, string>>,
): NonNullable<SecretsArgs["live"]> {
    const names = Object.entries(files).map(([secret, file]) => [secret, path.basename(file)]);
    return {
        machine,
        owner,
        check: brokerFiles("check"),
        apply: brokerFiles("apply"),
        files: Object.fromEntries(names) as Record<string, string>,
    };
}

/**
 * The shell ends with 127 where an older image has no such command, whatever Fly makes of a command
 * that is not there.
 */
function brokerFiles(what: "check" | "apply"): string[] {
    return ["/bin/sh", "-c", `exec /usr/local/bin/broker-files ${what}`];
}
