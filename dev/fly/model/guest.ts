import { badRequest } from "../errors.ts";
import type { Guest } from "./config.ts";
import { DEFAULT_GUEST } from "./config.ts";
import { own } from "./own.ts";

/** Sizes that Fly sells, by CPU kind. Memory bounds are per CPU, in MiB. */
const KINDS: Record<string, { cpus?: number[]; min: number; max: number; step: number }> = {
    shared: { cpus: [1, 2, 4, 6, 8], min: 256, max: 2048, step: 256 },
    performance: { min: 2048, max: 8192, step: 1024 },
};

/** Limit for a kind without its own list. */
const MAX_CPUS = 128;

/**
 * Checks a guest against Fly's sizes and fills in omitted values.
 * @throws 400 with Fly's text, such as `invalid config.guest.memory_mb, minimum required 1024 MiB`
 */
export function checkGuest(guest: Guest | undefined): Guest {
    if (guest === undefined) return { ...DEFAULT_GUEST };
    const kindName = guest.cpu_kind ?? DEFAULT_GUEST.cpu_kind;
    const kind = own(KINDS, kindName);
    if (kind === undefined) {
        throw badRequest("invalid config.guest.cpu_kind, must be one of [shared performance]");
    }
    const cpus = guest.cpus ?? DEFAULT_GUEST.cpus;
    if (kind.cpus !== undefined && !kind.cpus.includes(cpus)) {
        throw badRequest(`invalid config.guest.cpus, must be one of [${kind.cpus.join(" ")}]`);
    }
    if (!Number.isInteger(cpus) || cpus < 1 || cpus > MAX_CPUS) {
        throw badRequest(`invalid config.guest.cpus, must be a whole number from 1 to ${MAX_CPUS}`);
    }
    const memory = guest.memory_mb ?? kind.min * cpus;
    if (memory < kind.min * cpus) {
        throw badRequest(`invalid config.guest.memory_mb, minimum required ${kind.min * cpus} MiB`);
    }
    if (memory > kind.max * cpus) {
        throw badRequest(`invalid config.guest.memory_mb, cannot exceed ${kind.max * cpus} MiB`);
    }
    if (memory % kind.step !== 0) {
        throw badRequest(`invalid config.guest.memory_mb, must be a multiple of ${kind.step} MiB`);
    }
    return { ...guest, cpu_kind: kindName, cpus, memory_mb: memory };
}
