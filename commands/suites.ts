/** The suites below test/, and what they need on the machine. */

export interface Suite {
    /** Its folder in test/. */
    readonly name: string;
    /** The specs that need nothing on the machine, neither Docker nor Pulumi: all of them is `*`. */
    readonly fast?: readonly string[];
    /** Mocha's options for it. */
    readonly mocha?: readonly string[];
}

/** In the order of the rooms they depend on. */
export const SUITES: readonly Suite[] = [
    { name: "repo", fast: ["*"] },
    { name: "config", fast: ["*"] },
    { name: "backup", fast: ["*"] },
    { name: "toolchain" },
    { name: "components" },
    { name: "local" },
    {
        name: "providers",
        fast: [
            "client",
            "configDiff",
            "delegates",
            "diff",
            "kept",
            "machineDiff",
            "preflight",
            "rateLimiter",
            "retries",
            "rules",
            "token",
        ],
    },
    { name: "broker", fast: ["acl", "conf"] },
    { name: "monitoring" },
    { name: "fuzz" },
    { name: "verification" },
    { name: "e2e" },
    { name: "conformance" },
    // Mostly waiting, each phase on a Fly of its own.
    { name: "crash", mocha: ["--parallel", "--jobs", "2"] },
    { name: "faults" },
];

/**
 * Whether the tools of `toolchain/testTools.ts` must be there, Docker among them.
 *
 * @param only names of checks and suites; none means all
 */
export function needTools(only: readonly string[], fast: boolean): boolean {
    const chosen = SUITES.filter(({ name }) => only.length === 0 || only.includes(name));
    return !fast && chosen.some((suite) => !suite.fast?.includes("*"));
}
