import type { SecretsArgs } from "../providers/index.ts";

/** Commands in the image by which the running broker checks and applies changed files, and reports which it has. */
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
 * Runs `broker-files` by a shell, which exits with 127 where an older image has no such command. How Fly
 * reports a missing command is not documented.
 */
function brokerFiles(what: "check" | "apply" | "state"): string[] {
    return ["/bin/sh", "-c", `exec /usr/local/bin/broker-files ${what}`];
}
