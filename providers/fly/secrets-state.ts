/** What the state has of secrets: of each value a keyed hash, by which a change is seen. */
import { createHmac, randomBytes } from "node:crypto";
import { isUnknown, sameValue, toState, type WithProvider } from "../provider.ts";
import type { SecretsInputs, SecretsOutputs } from "./secrets-inputs.ts";
import type { WireSecret } from "./types.ts";

export interface WireSecrets {
    readonly secrets?: readonly WireSecret[] | null;
    readonly version?: number;
    /** The version's deprecated spelling. */
    readonly Version?: number;
}

/**
 * State of a version that kept less. Without hashes no value is known, and all are set again. Before
 * `restartVersion` every change was a restart: what runs was started with that version.
 */
export function complete(state: SecretsOutputs): SecretsOutputs {
    const { version, digests, fingerprints, salt }: Partial<SecretsOutputs> = state;
    const { restartVersion = version ?? 0 }: Partial<SecretsOutputs> = state;
    const whole = version !== undefined && digests && fingerprints && salt !== undefined;
    return whole
        ? { ...state, restartVersion }
        : {
              ...state,
              version: 0,
              restartVersion,
              digests: { ...fingerprints, ...digests },
              fingerprints: {},
              salt: newSalt(),
          };
}

export function newSalt(): string {
    return randomBytes(16).toString("base64");
}

export function valuesDiffer(olds: SecretsOutputs, news: SecretsInputs): boolean {
    if (isUnknown(news.values) || Object.values(news.values).some(isUnknown)) {
        return true;
    }
    const wanted = Object.fromEntries(
        Object.entries(news.values).map(([name, value]) => [name, fingerprint(olds.salt, value)]),
    );
    const left = Object.keys(olds.digests).some((name) => !(name in wanted));
    return left || !sameValue(wanted, olds.fingerprints);
}

export function fingerprint(salt: string, value: string): string {
    return createHmac("sha256", Buffer.from(salt, "base64")).update(value).digest("base64");
}

/**
 * Fly lists all secrets of the app, or only those of the request: older digests fill in.
 * @param restartVersion left out: a machine must be restarted
 */
export function toOutputs(
    inputs: WithProvider<SecretsInputs>,
    olds: Pick<SecretsOutputs, "salt" | "digests">,
    answer: WireSecrets,
    restartVersion?: number,
): SecretsOutputs {
    const { values, ...rest } = inputs;
    const digests = new Map((answer.secrets ?? []).map(({ name, digest }) => [name, digest]));
    const names = Object.keys(values);
    const version = answer.version ?? answer.Version ?? 0;
    return toState({
        ...rest,
        version,
        restartVersion: restartVersion ?? version,
        digests: Object.fromEntries(
            names.map((name) => [name, digests.get(name) ?? olds.digests[name] ?? ""]),
        ),
        fingerprints: Object.fromEntries(
            names.map((name) => [name, fingerprint(olds.salt, values[name] ?? "")]),
        ),
        salt: olds.salt,
    });
}
