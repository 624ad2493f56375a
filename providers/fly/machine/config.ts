/** The config as it is sent: the program's, and who it belongs to. */
import { configDifferences } from "./configDiff.ts";
import { ownerMetadata, type Owner } from "../ownership.ts";
import type { MachineConfig, WireMachine } from "../api/types.ts";

export interface MachineWish {
    readonly owner: Owner;
    readonly config: MachineConfig;
    readonly secretsVersion?: number;
    readonly newestSecretsVersion?: number;
}

export interface MachineTarget extends MachineWish {
    readonly app: string;
    readonly name: string;
    readonly region: string;
    readonly logsEndpoint?: string;
    readonly importId?: string;
}

/** The secrets' version that the machine was given; the API does not tell it otherwise. */
const SECRETS_VERSION = "appkata_secrets_version";

/** What Fly's own tools expect of a machine that serves an app (superfly/flyctl). */
const PLATFORM = { fly_platform_version: "v2", fly_process_group: "app" };

export function effectiveConfig({ owner, config, secretsVersion }: MachineWish): MachineConfig {
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

/** Fly may pull the image before it answers. */
export const LAUNCH_DEADLINE_MS = 90_000;

/** For the request that starts a machine: Fly waits until the machine's host has these secrets. */
export function leastSecrets(wish: MachineWish): { min_secrets_version?: number } {
    const versions = [wish.secretsVersion, wish.newestSecretsVersion].filter(
        (version) => version !== undefined,
    );
    return versions.length > 0 ? { min_secrets_version: Math.max(...versions) } : {};
}

/** In which paths `found` is not as wanted; a machine with newer secrets than those has them too. */
export function differencesFrom(wanted: MachineConfig, found: MachineConfig): string[] {
    const [least, has] = [wanted, found].map(({ metadata }) => metadata?.[SECRETS_VERSION]);
    const isNewer = least !== undefined && has !== undefined && Number(has) > Number(least);
    const metadata = { ...wanted.metadata, ...(isNewer && { [SECRETS_VERSION]: has }) };
    return configDifferences(isNewer ? { ...wanted, metadata } : wanted, found);
}

/** What the machine's config would have to change; metadata apart, since they need no restart. */
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

/** Whether it is as `wanted`, and runs or is about to. */
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

/** What makes the machine another than `wish` says, though `wish` was read from it: paths. */
export function unsaid(wish: MachineWish, found: WireMachine): string[] {
    return [
        ...(found.cordoned ? ["cordoned"] : []),
        ...(found.config ? differencesFrom(effectiveConfig(wish), found.config) : []),
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

/** What metadata say of owner and secrets, and the rest of them, without what Fly's tools add. */
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
