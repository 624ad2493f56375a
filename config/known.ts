/**
 * Collects current and former passwords and devices: from their resources, from those of an earlier version,
 * and, where somebody removed these from the state, from the stack's outputs.
 */
import type { KnownDevices } from "../providers/kept/formerDevices.ts";
import type { KeptPassword, KnownPasswords } from "../providers/kept/passwords.ts";
import { unpack, type PackedIn } from "../providers/packed.ts";
import type { BrokerOutputs } from "./outputs.ts";

/** Outputs of a stack's resources by URN, as the engine gives them. */
export type State = Readonly<
    Record<string, { type: string; outputs: Readonly<Record<string, unknown>> }>
>;

const PASSWORDS = "pulumi-nodejs:dynamic/kept:Passwords";
/** Type of an earlier version, with one resource per user. */
const PASSWORD = "pulumi-nodejs:dynamic/kept:Password";
const FORMER_DEVICES = "pulumi-nodejs:dynamic/kept:FormerDevices";

export function passwordsIn(state: State, outputs: Partial<BrokerOutputs>): KnownPasswords {
    const of = (type: string) => outputsOf(state, type);
    const [now] = of(PASSWORDS) as unknown as PackedIn<KnownPasswords, "kept">[];
    const singly = of(PASSWORD) as unknown as KeptPassword[];
    const { users = {}, verifier, verificationLogins } = outputs;
    const told = [
        ...Object.entries(users),
        ...(verifier ? [[verifier.username, verifier.password] as const] : []),
    ];
    // Hashed anew: the outputs have no hash, and that of the resource is most of what every run would carry.
    const unhashed = { iterations: 0, hash: "" };
    const fromOutputs = { generated: true, since: "", ...unhashed };
    const kept = [
        ...told.map(([user, password]) => ({ user, password, ...fromOutputs })),
        ...singly.map(({ user, password, generated, iterations, hash }) => ({
            ...{ user, password, generated, iterations, hash },
            since: "",
        })),
        ...(now ? unpack(now.kept).map((one) => ({ ...one, ...unhashed })) : []),
    ];
    return {
        kept: [...new Map(kept.map((one) => [one.user, one])).values()],
        former: now?.former ?? verificationLogins?.former ?? [],
    };
}

export function devicesIn(state: State, outputs: Partial<BrokerOutputs>): KnownDevices {
    const [now] = outputsOf(state, FORMER_DEVICES) as unknown as KnownDevices[];
    const { clientCertificates = {}, verificationLogins } = outputs;
    return {
        devices:
            now?.devices ??
            Object.entries(clientCertificates).map(([name, pair]) => ({ name, ...pair })),
        former: now?.former ?? verificationLogins?.certificates?.former ?? [],
    };
}

function outputsOf(state: State, type: string): Readonly<Record<string, unknown>>[] {
    return Object.values(state)
        .filter((one) => one.type === type)
        .map(({ outputs }) => outputs);
}
