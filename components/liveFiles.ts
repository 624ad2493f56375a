import type { SecretsArgs } from "../providers/index.ts";

/** How the running broker takes changed files, and tells which it has: by the image's own command. */
export function liveFiles(
    machine: string,
    owner: { project: string; stack: string },
): NonNullable<SecretsArgs["live"]> {
    return {
        machine,
        owner,
        check: brokerFiles("check"),
        apply: brokerFiles("apply"),
        state: brokerFiles("state"),
    };
}

/**
 * The shell ends with 127 where an older image has no such command, whatever Fly makes of a command
 * that is not there.
 */
function brokerFiles(what: "check" | "apply" | "state"): string[] {
    return ["/bin/sh", "-c", `exec /usr/local/bin/broker-files ${what}`];
}
