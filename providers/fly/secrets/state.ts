/** Builds the state of secrets, with a keyed hash of each file to detect changes. */
import { createHmac, randomBytes } from "node:crypto";
import { isUnknown, sameValue, toState, type WithProvider } from "../../provider.ts";
import { digestOf } from "./bundle.ts";
import type { SecretsInputs, SecretsOutputs } from "./inputs.ts";
import type { WireSecret } from "../api/types.ts";

export interface WireSecrets {
    readonly secrets?: readonly WireSecret[] | null;
    readonly version?: number;
    /** Deprecated spelling of `version`. */
    readonly Version?: number;
}

/**
 * Completes the state of an older version. Without hashes all files differ and are set again. A version without
 * `number` had one secret per file, with the hash under the secret's name. Before `restartVersion` every change
 * restarted the machine, so the running machine has `version`.
 */
export function complete(state: SecretsOutputs): SecretsOutputs {
    const { version, digests, fingerprints, salt, number, digest }: Partial<SecretsOutputs> = state;
    const { restartVersion = version ?? 0, names = [] }: Partial<SecretsOutputs> = state;
    const whole =
        version !== undefined &&
        number !== undefined &&
        digest !== undefined &&
        digests &&
        fingerprints &&
        salt !== undefined;
    return whole
        ? { ...state, restartVersion, names }
        : {
              ...state,
              names,
              version: version ?? 0,
              restartVersion,
              number: number ?? 0,
              digest: digest ?? "",
              digests: { ...(number === undefined && fingerprints), ...digests },
              fingerprints: {},
              salt: newSalt(),
          };
}

export function newSalt(): string {
    return randomBytes(16).toString("base64");
}

export function filesDiffer(olds: SecretsOutputs, news: SecretsInputs): boolean {
    if (isUnknown(news.files) || Object.values(news.files).some(isUnknown)) {
        return true;
    }
    return !sameValue(fingerprints(olds.salt, news.files), olds.fingerprints);
}

function fingerprints(salt: string, files: Record<string, string>): Record<string, string> {
    return Object.fromEntries(
        Object.entries(files).map(([name, text]) => [name, fingerprint(salt, text)]),
    );
}

function fingerprint(salt: string, value: string): string {
    return createHmac("sha256", Buffer.from(salt, "base64")).update(value).digest("base64");
}

export interface Set {
    readonly answer: WireSecrets;
    readonly number: number;
    /** Undefined where a machine must be updated. */
    readonly restartVersion?: number | undefined;
    /** Secrets that are no longer listed, but that a machine still names. */
    readonly left: readonly string[];
}

/** Builds the outputs. Fly may list only the secrets of the request, so older digests fill in. */
export function toOutputs(
    inputs: WithProvider<SecretsInputs>,
    olds: Pick<SecretsOutputs, "salt" | "digests">,
    { answer, number, restartVersion, left }: Set,
): SecretsOutputs {
    const { files, ...rest } = inputs;
    const digests = new Map((answer.secrets ?? []).map(({ name, digest }) => [name, digest]));
    const version = answer.version ?? answer.Version ?? 0;
    return toState({
        ...rest,
        version,
        restartVersion: restartVersion ?? version,
        number,
        digest: digestOf(files),
        digests: Object.fromEntries(
            [...inputs.names, ...left].map((name) => [
                name,
                digests.get(name) ?? olds.digests[name] ?? "",
            ]),
        ),
        fingerprints: fingerprints(olds.salt, files),
        salt: olds.salt,
    });
}
