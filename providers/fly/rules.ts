/** Fly's rules for names and sizes, which the providers' `check` and the settings share. */
import { isUnknown } from "../provider.ts";
import type { MachineGuest } from "./api/types.ts";

/** Longest DNS label. Fly accepts longer names, but they do not resolve (flyctl#4283). */
export const MAX_APP_NAME = 63;
const MAX_VOLUME_NAME = 30;
const MAX_VOLUME_GB = 500;

/** @returns what is wrong with an app name, if anything. Fly: "numbers, lowercase letters and dashes". */
export function appNameProblem(name: unknown): string | undefined {
    if (isUnknown(name)) {
        return undefined;
    }
    if (typeof name !== "string" || name === "") {
        return "an app needs a name";
    }
    if (name.length > MAX_APP_NAME) {
        return `"${name}" has ${name.length} characters; at most ${MAX_APP_NAME} fit into a host name`;
    }
    if (!/^[a-z0-9-]+$/.test(name)) {
        return `"${name}": only lowercase letters, digits and hyphens are allowed`;
    }
    if (name.startsWith("-") || name.endsWith("-")) {
        return `"${name}" must start and end with a letter or digit, as host names do`;
    }
    return undefined;
}

const HOST_NAME = /^(\*\.)?([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z][a-z0-9-]*[a-z0-9]$/;
const MAX_HOST_NAME = 253;

/** @returns why a public certificate cannot be for this name, if so. Fly answers in lowercase. */
export function hostnameProblem(name: unknown): string | undefined {
    if (isUnknown(name)) {
        return undefined;
    }
    return typeof name === "string" && HOST_NAME.test(name) && name.length <= MAX_HOST_NAME
        ? undefined
        : `${JSON.stringify(name)}: must be a lowercase host name, such as mqtt.example.com`;
}

export function volumeNameProblem(name: unknown): string | undefined {
    if (isUnknown(name)) {
        return undefined;
    }
    return typeof name === "string" && /^[a-z0-9_]+$/.test(name) && name.length <= MAX_VOLUME_NAME
        ? undefined
        : `${JSON.stringify(name)}: a volume's name is 1 to ${MAX_VOLUME_NAME} lowercase letters, digits and underscores`;
}

export function volumeSizeProblem(sizeGb: unknown): string | undefined {
    if (isUnknown(sizeGb)) {
        return undefined;
    }
    return Number.isInteger(sizeGb) && Number(sizeGb) >= 1 && Number(sizeGb) <= MAX_VOLUME_GB
        ? undefined
        : `${String(sizeGb)} GB: a volume has 1 to ${MAX_VOLUME_GB} whole GB`;
}

/** Sizes of superfly/flyctl, in MB per CPU. */
const GUESTS = {
    shared: { cpus: [1, 2, 4, 6, 8], minMb: 256, maxMb: 2048, stepMb: 256 },
    performance: { cpus: undefined, minMb: 2048, maxMb: 8192, stepMb: 1024 },
};
const MAX_PERFORMANCE_CPUS = 128;

/** @returns every rule of Fly that the machine's size breaks, with both numbers */
export function guestProblems(guest: MachineGuest): string[] {
    const { cpu_kind: kind, cpus, memory_mb: memory } = guest;
    if (isUnknown(kind) || isUnknown(cpus) || isUnknown(memory)) {
        return [];
    }
    if (kind !== "shared" && kind !== "performance") {
        return [`CPU kind ${JSON.stringify(kind)}: must be "shared" or "performance"`];
    }
    const rule = GUESTS[kind];
    if (rule.cpus ? !rule.cpus.includes(cpus) : !isWhole(cpus, MAX_PERFORMANCE_CPUS)) {
        const allowed = rule.cpus?.join(", ") ?? `1 to ${MAX_PERFORMANCE_CPUS}`;
        return [`${cpus} CPUs: kind ${kind} has ${allowed}`];
    }
    const problems: string[] = [];
    const [min, max] = [rule.minMb * cpus, rule.maxMb * cpus];
    if (!(memory >= min && memory <= max)) {
        problems.push(
            `${memory} MB of memory: ${cpus} CPU${cpus === 1 ? "" : "s"} of kind ${kind} allow ${min} to ${max} MB`,
        );
    } else if (memory % rule.stepMb !== 0) {
        problems.push(`${memory} MB of memory: kind ${kind} has steps of ${rule.stepMb} MB`);
    }
    return problems;
}

function isWhole(value: number, max: number): boolean {
    return Number.isInteger(value) && value >= 1 && value <= max;
}
