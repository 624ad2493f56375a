/** Fly's and Mosquitto's rules for single values: the problem as a phrase, or undefined. */

/** Fly: lowercase letters, digits and dashes; the name is a DNS label of `NAME.fly.dev`. */
export function appNameProblem(name: string): string | undefined {
    return /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/.test(name)
        ? undefined
        : "must have 1 to 63 lowercase letters, digits and dashes, with no dash at either end";
}

/**
 * `:` ends the name in a password file; Mosquitto 2.1 rejects `+`, `#` and `/` in user names, since
 * ACL patterns put them into topics.
 */
export function userNameProblem(name: string): string | undefined {
    if (name === "") return "must not be empty";
    if (Buffer.byteLength(name) > 256) return "must have at most 256 bytes";
    // eslint-disable-next-line no-control-regex
    return /[:+#/\0-\x20\x7f]/.test(name)
        ? "must not have spaces, control characters or any of : + # /"
        : undefined;
}

export function hostnameProblem(name: string): string | undefined {
    const label = "[a-zA-Z0-9]([a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?";
    return new RegExp(`^(\\*\\.)?${label}(\\.${label})*$`).test(name)
        ? undefined
        : "must be a host name";
}

interface Guest {
    cpuKind: "shared" | "performance";
    cpus: number;
    memoryMb: number;
}

/** CPUs and memory (MB) that Fly offers for each kind, from flyctl. Memory is per CPU. */
const GUESTS = {
    shared: { cpus: [1, 2, 4, 6, 8], min: 256, max: 2048, step: 256 },
    performance: {
        cpus: [1, 2, 4, 6, 8, 10, 12, 14, 16, 32, 64, 128],
        min: 2048,
        max: 8192,
        step: 1024,
    },
};

export function guestProblem({ cpuKind, cpus, memoryMb }: Guest): string | undefined {
    const offer = GUESTS[cpuKind];
    if (!offer.cpus.includes(cpus)) {
        return `cpus: must be one of ${offer.cpus.join(", ")} for cpuKind ${cpuKind}; it is ${cpus}`;
    }
    const min = offer.min * cpus;
    const max = offer.max * cpus;
    if (memoryMb < min || memoryMb > max || memoryMb % offer.step !== 0) {
        return (
            `memoryMb: must be from ${min} to ${max} in steps of ${offer.step} ` +
            `for ${cpus} ${cpuKind} CPU(s); it is ${memoryMb}`
        );
    }
    return undefined;
}
