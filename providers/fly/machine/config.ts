/** Builds the config that is sent to Fly, and compares it with a machine's. */
import { configDifferences } from "./configDiff.ts";
import { ownerMetadata, type Owner } from "../ownership.ts";
import type { MachineConfig, WireMachine } from "../api/types.ts";

/** Declared configuration of a machine. */
export interface MachineSpec {
    readonly owner: Owner;
    readonly config: MachineConfig;
    readonly secretsVersion?: number;
    readonly newestSecretsVersion?: number;
}

/** A machine's configuration and its place. */
export interface MachineTarget extends MachineSpec {
    readonly app: string;
    readonly name: string;
    readonly region: string;
    readonly logsEndpoint?: string;
    readonly importId?: string;
}

/** Metadata key for the secrets' version that the machine was given, which the API does not tell. */
const SECRETS_VERSION = "appkata_secrets_version";

/** Metadata that Fly's own tools expect on an app's machine (superfly/flyctl). */
const PLATFORM = { fly_platform_version: "v2", fly_process_group: "app" };

/** The config with metadata for owner, secrets' version and platform. */
export function effectiveConfig({ owner, config, secretsVersion }: MachineSpec): MachineConfig {
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
export function minSecretsVersion(spec: MachineSpec): { min_secrets_version?: number } {
    const versions = [spec.secretsVersion, spec.newestSecretsVersion].filter(
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

/** Paths of differences that no input expresses: they remain although `spec` was read from the machine. */
export function undeclaredDrift(spec: MachineSpec, found: WireMachine): string[] {
    return [
        ...(found.cordoned ? ["cordoned"] : []),
        ...(found.config ? differencesFrom(effectiveConfig(spec), found.config) : []),
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
