/** Builds the config that is sent to Fly, and compares it with a machine's. */
import { configDifferences } from "./configDiff.ts";
import type { MachineInputs } from "./inputs.ts";
import { ownerMetadata } from "../ownership.ts";
import type { MachineConfig, WireMachine } from "../api/types.ts";

/** Metadata key for the secrets' version that the machine was given, which the API does not tell. */
const SECRETS_VERSION = "appkata_secrets_version";

/** Metadata that Fly's own tools expect on an app's machine (superfly/flyctl). */
const PLATFORM = { fly_platform_version: "v2", fly_process_group: "app" };

/** The config with metadata for owner, secrets' version and platform. */
export function effectiveConfig({ owner, config, secretsVersion }: MachineInputs): MachineConfig {
    return {
        ...config,
        metadata: {
            ...PLATFORM,
            ...config.metadata,
            ...ownerMetadata(owner),
            ...(secretsVersion !== undefined && { [SECRETS_VERSION]: String(secretsVersion) }),
        },
    };
}

/** Longer than for other requests, since Fly may pull the image before it answers. */
export const LAUNCH_DEADLINE_MS = 90_000;

/** Field for a request that starts a machine: Fly waits until the machine's host has these secrets. */
export function minSecretsVersion(inputs: MachineInputs): { min_secrets_version?: number } {
    const versions = [inputs.secretsVersion, inputs.newestSecretsVersion].filter(
        (version) => version !== undefined,
    );
    return versions.length > 0 ? { min_secrets_version: Math.max(...versions) } : {};
}

/** Paths at which `found` differs from `wanted`. Newer secrets than wanted are no difference. */
export function differencesFrom(wanted: MachineConfig, found: MachineConfig): string[] {
    const [least, has] = [wanted, found].map(({ metadata }) => metadata?.[SECRETS_VERSION]);
    const isNewer = least !== undefined && has !== undefined && Number(has) > Number(least);
    const metadata = { ...wanted.metadata, ...(isNewer && { [SECRETS_VERSION]: has }) };
    return configDifferences(isNewer ? { ...wanted, metadata } : wanted, found);
}

/** Paths that an update must change; metadata separately, since they need no restart. */
export function changesNeeded(
    wanted: MachineConfig,
    found: MachineConfig,
): { readonly config: string[]; readonly metadata: string[]; readonly secrets: boolean } {
    const paths = differencesFrom(wanted, found);
    const secrets = `metadata.${SECRETS_VERSION}`;
    return {
        config: paths.filter((path) => !path.startsWith("metadata")),
        metadata: paths.filter((path) => path.startsWith("metadata") && path !== secrets),
        secrets: paths.includes(secrets) || paths.includes("metadata"),
    };
}

/** Tells whether the machine matches `wanted`, and runs or is about to. */
export function isAsWanted(wanted: MachineConfig, machine: WireMachine): boolean {
    const needed = machine.config ? changesNeeded(wanted, machine.config) : undefined;
    return (
        needed !== undefined &&
        needed.config.length + needed.metadata.length === 0 &&
        !needed.secrets &&
        !machine.cordoned &&
        (machine.state === "started" || machine.state === "starting")
    );
}

/** Paths of differences that no input expresses: they remain although `inputs` were read from the machine. */
export function undeclaredDrift(inputs: MachineInputs, found: WireMachine): string[] {
    return [
        ...(found.cordoned ? ["cordoned"] : []),
        ...(found.config ? differencesFrom(effectiveConfig(inputs), found.config) : []),
    ];
}

const OWNERS_KEYS = new Set([
    ...Object.keys(ownerMetadata({ project: "", stack: "" })),
    SECRETS_VERSION,
]);

/** Version of the app's secrets that the machine was started with. */
export function secretsVersionOf({ metadata }: Partial<MachineConfig>): number | undefined {
    const version = metadata?.[SECRETS_VERSION];
    return version === undefined ? undefined : Number(version);
}

/** Splits metadata into owner, secrets' version and the rest, without what Fly's tools add. */
export function splitMetadata(found: MachineConfig, known: MachineConfig) {
    const all = found.metadata ?? {};
    return {
        owner: { project: all.pulumi_project ?? "", stack: all.pulumi_stack ?? "" },
        secretsVersion: secretsVersionOf(found),
        metadata: Object.fromEntries(
            Object.entries(all).filter(
                ([key]) =>
                    key in (known.metadata ?? {}) ||
                    !(OWNERS_KEYS.has(key) || key.startsWith("fly_")),
            ),
        ),
    };
}
